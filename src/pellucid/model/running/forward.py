"""The one place that calls the model: taps, early start, shared prefix, and reading few logits.

It is also where passes are counted (``passes.py``).

Three things make many edited runs cheap, all of them proved on opening (``selfcheck.py``):

- ``reads``: the unembedding sees only the positions whose logits are wanted;
- ``start``: layers below the first edit are not run again, their output is put in instead;
- ``past``: positions before the first difference are not run again, their keys and values are
  taken from a cache.
"""

import inspect
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from pellucid.model.anatomy import Anatomy, Block
from pellucid.model.running.skinny_matmul import reads_few, unembedding
from pellucid.model.running.taps import Taps, tapped
from pellucid.passes import counter
from pellucid.results.passes import Passes
from pellucid.shapes import Logits, Stream, Tokens

ONE_AT_A_TIME = threading.RLock()


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
    accepted = parameters_of(module)
    real, reads, past = batch.real, batch.reads, batch.past
    kwargs: dict[str, Any] = {"input_ids": batch.tokens}
    if "use_cache" in accepted:
        kwargs["use_cache"] = past is not None or caches is not None
    if real is not None and not bool(real[:, 0].all()):
        kwargs["attention_mask"] = real.long()
        if "position_ids" in accepted:
            kwargs["position_ids"] = (real.long().cumsum(-1) - 1).clamp_min(0)
    if past is not None:
        kwargs["past_key_values"] = past.cache
        if reads is not None:
            reads = reads - past.length
    with ExitStack() as stack:
        if reads is not None:
            stack.enter_context(_reading(anatomy.unembed, reads))
        if batch.start is not None:
            stack.enter_context(_started(anatomy, batch.start))
        stack.enter_context(tapped(module, anatomy, taps or {}))
        try:
            output = module(**kwargs)
        finally:
            # A call that a tap ends early was made, too.
            counter()(Passes(forwards=batch.forwards, calls=1))
    if caches is not None:
        caches.append(getattr(output, "past_key_values", None))
    logits = output.logits if hasattr(output, "logits") else output[0]
    return backwards_counted(logits, batch.forwards if batch.backwards is None else batch.backwards)


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
    """Names of the keyword arguments that the model's forward takes."""
    return frozenset(inspect.signature(module.forward).parameters)


@contextmanager
def _reading(unembed: nn.Module, reads: Int[Tensor, "row read"]) -> Iterator[None]:
    def gather(module: nn.Module, args: tuple) -> tuple:
        stream = args[0]
        index = reads.to(stream.device)[..., None].expand(-1, -1, stream.shape[-1])
        return (stream.gather(1, index), *args[1:])

    handle = unembed.register_forward_pre_hook(gather)
    faster: dict[nn.Module, Any] = {unembed: unembedding(unembed)} if reads_few(unembed) else {}
    try:
        with overridden(faster):
            yield
    finally:
        handle.remove()


@contextmanager
def _started(anatomy: Anatomy, start: Start) -> Iterator[None]:
    """Blocks below ``start.layer`` pass their input on; the block there receives the stream."""
    skipped = anatomy.blocks[: start.layer]

    def replace(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        if args:
            return (start.stream, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": start.stream}

    handle = anatomy.blocks[start.layer].module.register_forward_pre_hook(
        replace, with_kwargs=True, prepend=True
    )
    try:
        with overridden({block.module: passing_on(block) for block in skipped}):
            yield
    finally:
        handle.remove()


@contextmanager
def overridden(forwards: Mapping[nn.Module, Any]) -> Iterator[None]:
    """Modules run another forward inside the block; one of the user's own is put back."""
    before = {part: part.__dict__.get("forward") for part in forwards}
    try:
        for part, forward_instead in forwards.items():
            part.forward = forward_instead
        yield
    finally:
        for part, own in before.items():
            part.__dict__.pop("forward", None)
            if own is not None:
                part.forward = own


def passing_on(block: Block) -> Any:
    """A forward for ``block`` that returns its input, in the form in which the block returns."""

    def passing_on(*args: Any, **kwargs: Any) -> Any:
        stream = args[0] if args else kwargs["hidden_states"]
        return (stream, *[None] * (block.carries - 1)) if block.carries else stream

    return passing_on


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no parameter gradients inside; everything as it was afterwards.

    Also leaves inference mode, in which nothing can be differentiated, and runs compiled modules
    uncompiled, since compiled code does not stop at hooks inside it. One thread at a time: hooks
    belong to the module, and would otherwise see another thread's tensors.
    """
    with ONE_AT_A_TIME:
        yield from _undisturbed(module)


def _undisturbed(module: nn.Module) -> Iterator[None]:
    training = [m for m in module.modules() if m.training]
    learning = [p for p in module.parameters() if p.requires_grad]
    compiled = {m: m._compiled_call_impl for m in module.modules() if m._compiled_call_impl}
    try:
        for part in compiled:
            part._compiled_call_impl = None
        if training:
            module.eval()
        for parameter in learning:
            parameter.requires_grad_(False)
        with torch.inference_mode(False):
            yield
    finally:
        for part, call in compiled.items():
            part._compiled_call_impl = call
        for part in training:
            part.training = True
        for parameter in learning:
            parameter.requires_grad_(True)
