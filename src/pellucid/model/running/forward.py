"""The place that calls the model: taps, early start, shared prefix, and reading few logits.

It is also where passes are counted (``passes.py``). Text is written elsewhere (``generating.py``).

Three things make many edited runs cheap, all of them proved on opening (``selfcheck.py``):

- ``reads``: the unembedding sees only the positions whose logits are wanted;
- ``start``: layers below the first edit are not run again, their output is put in instead;
- ``past``: positions before the first difference are not run again, their keys and values are
  taken from a cache.

While others have hooks on the model, whole prompts are run (``foreign.py``).
"""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from pellucid.errors import HookError
from pellucid.model.anatomy import Anatomy, Block
from pellucid.model.running.changes import (
    Changed,
    GradMode,
    NotLearning,
    OutOfInferenceMode,
    Undoable,
    own_attribute,
)
from pellucid.model.running.foreign import ForeignHook, foreign_hooks, named
from pellucid.model.running.hooks import gate, hook_before, overridden, remove_strays
from pellucid.model.running.rope import by_length, each_row_alone
from pellucid.model.running.skinny_matmul import reads_few, unembedding
from pellucid.model.running.taps import Taps, tapped
from pellucid.passes import counter
from pellucid.results.passes import Passes
from pellucid.shapes import Logits, Stream, Tokens


@dataclass(frozen=True)
class Start:
    """Begin at ``layer`` with ``stream`` as what enters it."""

    layer: int
    stream: Stream


@dataclass(frozen=True)
class Past:
    """Keys and values of the first ``length`` positions, as the model's own cache object."""

    cache: Any
    length: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The rows of one call."""

    tokens: Tokens
    real: Bool[Tensor, "row pos"] | None = None
    """What of the rows is not padding; None for all."""
    reads: Int[Tensor, "row read"] | None = None
    """Positions whose logits are wanted, from the first column of the whole prompt, also when
    ``past`` holds a part; None for every position of ``tokens``."""
    lengths: Int[Tensor, " row"] | None = None
    """Tokens of each row's whole prompt, where neither ``real`` nor the shape of ``tokens`` is."""
    start: Start | None = None
    past: Past | None = None
    forwards: int = 1
    """How many evaluations of a question the rows are; what the call counts as."""
    backwards: int | None = None
    """How many of them a gradient is taken of, if one is; None for all."""


def forward(
    module: nn.Module,
    anatomy: Anatomy,
    batch: Batch,
    *,
    taps: Taps | None = None,
    caches: list[Any] | None = None,
) -> Logits:
    """Logits ``[row read d_vocab]`` at the batch's reads.

    Padding on the right needs no mask in a causal model; padding on the left gets a mask and
    position ids derived from it. The model's cache is appended to ``caches`` if a list is given.
    """
    others = foreign_hooks(module)
    if others:
        _demand_alike(module, batch, others)
    reads = batch.reads
    if batch.past is not None and reads is not None:
        reads = reads - batch.past.length
    with ExitStack() as stack:
        if by_length(module):
            stack.enter_context(each_row_alone(module, _lengths(batch)))
        if reads is not None and not others:
            stack.enter_context(_reading(anatomy.unembed, reads))
        if batch.start is not None and not others:
            stack.enter_context(_started(anatomy, batch.start))
        stack.enter_context(tapped(module, anatomy, taps or {}))
        try:
            output = module(**_arguments(module, batch, keeps=caches is not None))
        finally:
            # A call that a tap ends early was made, too.
            counter()(Passes(forwards=batch.forwards, calls=1))
    if caches is not None:
        caches.append(getattr(output, "past_key_values", None))
    logits = _logits(output)
    if reads is not None and others:
        logits = at_positions(logits, reads)
    return backwards_counted(logits, batch.forwards if batch.backwards is None else batch.backwards)


def _arguments(module: nn.Module, batch: Batch, *, keeps: bool = False) -> dict[str, Any]:
    """What the model is called with; ``keeps`` asks for its keys and values."""
    accepted, real, past = parameters_of(module), batch.real, batch.past
    kwargs: dict[str, Any] = {"input_ids": batch.tokens}
    if "use_cache" in accepted:
        kwargs["use_cache"] = past is not None or keeps
    if real is not None and not bool(real[:, 0].all()):
        kwargs["attention_mask"] = real.long()
        if "position_ids" in accepted:
            kwargs["position_ids"] = (real.long().cumsum(-1) - 1).clamp_min(0)
    if past is not None:
        kwargs["past_key_values"] = past.cache
    return kwargs


def _lengths(batch: Batch) -> Int[Tensor, " row"] | int:
    """Tokens of each row's whole prompt."""
    if batch.lengths is not None:
        return batch.lengths
    before = 0 if batch.past is None else batch.past.length
    return before + (batch.tokens.shape[1] if batch.real is None else batch.real.sum(1))


def _logits(output: Any) -> Tensor:
    if isinstance(output, Tensor):
        return output
    return output.logits if hasattr(output, "logits") else output[0]


_ALIKE: WeakKeyDictionary[nn.Module, tuple[ForeignHook, ...]] = WeakKeyDictionary()
"""Hooks that were seen to do the same to every row."""


def _demand_alike(module: nn.Module, batch: Batch, others: tuple[ForeignHook, ...]) -> None:
    """A prompt has the logits in a batch that it has alone, with these hooks.

    **Cost** 2 forwards, uncounted, once for each set of hooks.
    **Raises** ``HookError`` where it has not.
    """
    if len(batch.tokens) == 1 or _ALIKE.get(module) == others:
        return
    tokens, real = batch.tokens[:1], None if batch.real is None else batch.real[:1]
    one = Batch(tokens=tokens, real=real)
    two = Batch(tokens=tokens.repeat(2, 1), real=None if real is None else real.repeat(2, 1))
    with torch.no_grad():
        alone = _logits(module(**_arguments(module, one)))
        try:
            found = _logits(module(**_arguments(module, two)))
            far = float((found - alone).abs().max() / alone.abs().max().clamp_min(1e-30))
        except Exception as error:
            raise _unlike(
                others, f"two prompts in one call raise {type(error).__name__}"
            ) from error
    if not far <= torch.finfo(alone.dtype).eps ** 0.5:
        raise _unlike(
            others,
            f"a prompt's logits are off by {far:.1e} (relative) in a batch",
        )
    _ALIKE[module] = others


def _unlike(others: tuple[ForeignHook, ...], what: str) -> HookError:
    return HookError(
        f"With {named(others)}, {what}. Pellucid runs several prompts "
        "in one call: remove the hook, or let it do the same to every row.",
        hooks=tuple(map(str, others)),
    )


def backwards_counted(value: Tensor, backwards: int = 1) -> Tensor:
    """``value``, such that each gradient that passes it on its way back counts as ``backwards``."""
    if not value.requires_grad:
        return value
    add = counter()

    def passing(gradient: Tensor) -> None:
        add(Passes(backwards=backwards))
        if gradient.requires_grad:  # it will be differentiated itself
            gradient.register_hook(passing)

    value.register_hook(passing)
    return value


def parameters_of(module: nn.Module) -> frozenset[str]:
    """Names of the keyword arguments that the model's forward takes.

    A forward that somebody has put there and that takes any keyword passes them on.
    """
    found = inspect.signature(module.forward).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in found.values()):
        return frozenset({*found, *inspect.signature(type(module).forward).parameters})
    return frozenset(found)


@contextmanager
def _reading(unembed: nn.Module, reads: Int[Tensor, "row read"]) -> Iterator[None]:
    def gather(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        return (at_positions(args[0], reads), *args[1:]), kwargs

    faster: dict[nn.Module, Any] = {unembed: unembedding(unembed)} if reads_few(unembed) else {}
    with Changed([hook_before(unembed, gather)]), overridden(faster):
        yield


def at_positions(values: Tensor, reads: Int[Tensor, "row read"]) -> Tensor:
    """``values [row pos d]`` at the positions that are read."""
    return values.gather(1, reads.to(values.device)[..., None].expand(-1, -1, values.shape[-1]))


@contextmanager
def _started(anatomy: Anatomy, start: Start) -> Iterator[None]:
    """Blocks below ``start.layer`` pass their input on; the block there receives the stream."""
    skipped = anatomy.blocks[: start.layer]

    def replace(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        if args:
            return (start.stream, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": start.stream}

    replacing = hook_before(anatomy.blocks[start.layer].module, replace, first=True)
    passing = {block.module: passing_on(block) for block in skipped}
    with Changed([replacing]), overridden(passing):
        yield


def passing_on(block: Block) -> Any:
    """A forward for ``block`` that returns its input, in the form in which the block returns."""

    def passing_on(*args: Any, **kwargs: Any) -> Any:
        stream = args[0] if args else kwargs["hidden_states"]
        return (stream, *[None] * (block.carries - 1)) if block.carries else stream

    return passing_on


def undisturbed(module: nn.Module) -> Changed:
    """A block of evaluation mode without parameter gradients; afterwards all is as it was.

    Also leaves inference mode, in which nothing can be differentiated, and runs compiled modules
    uncompiled, since compiled code does not stop at hooks inside it. One thread at a time: a
    forward of another thread that begins meanwhile waits.
    """
    return Changed(_undisturbing(module))


def _undisturbing(module: nn.Module) -> Iterator[Undoable]:
    remove_strays(module)
    yield GradMode()
    yield OutOfInferenceMode()
    yield gate(module)
    for part in module.modules():
        if part._compiled_call_impl is not None:
            yield own_attribute(part, "_compiled_call_impl", None)
        if part.training:
            yield own_attribute(part, "training", False)
    for parameter in module.parameters():
        if parameter.requires_grad:
            yield NotLearning(parameter)
