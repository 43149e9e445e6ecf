"""The affine run: norms' scales, attention patterns and the gates of MLPs held where they are.

Values stay what they are; only gradients change. (RelP, Rezaei Jafari et al. 2025,
arXiv:2508.21258; the rules are those of layer-wise relevance propagation.)

1. A norm divides by a scale that is taken for a constant (LN rule).
2. Queries and keys are constants, so the pattern is one: attention only moves values (AH rule).
3. An activation is its secant through zero, x times the constant act(x) / x (identity rule).
4. A product of a gate and a value gives half of its change to each (half rule).

What is a norm, an activation or a gate is found by what it computes on a short probe. Layers where
that is not found are differentiated as they are, and ``Frozen.note`` names them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from pellucid.model.anatomy import Block, Mlp
from pellucid.model.detection.probe import (
    TOLERANCE,
    Call,
    Record,
    first_tensor,
    probe_tokens,
    record_calls,
)
from pellucid.model.model import Model
from pellucid.model.norms import NormForm, norm_form
from pellucid.model.running.foreign import without_foreign
from pellucid.model.running.forward import undisturbed
from pellucid.model.running.hooks import overridden
from pellucid.model.running.taps import Tap, first, tapped
from pellucid.model.sites import Site


@dataclass(frozen=True)
class Frozen:
    """What of a model can be held."""

    norms: tuple[tuple[nn.Module, NormForm], ...]
    patterns: tuple[int, ...]
    """Layers whose attention patterns are."""
    activations: tuple[nn.Module, ...]
    gated: tuple[int, ...]
    """Layers whose MLP multiplies a gate and a value."""
    note: str


SAME = 1e-5
"""What kernels may differ by when they compute the same number at another address."""

_FOUND: WeakKeyDictionary[nn.Module, Frozen] = WeakKeyDictionary()


@contextmanager
def frozen(model: Model) -> Iterator[Frozen]:
    """Inside the block gradients are those of the affine run; nothing is left behind.

    **Cost** one forward of six tokens, once in the model's life.
    """
    found = freezable(model)
    taps: dict[Site, Tap] = {
        Site(kind, layer): Tensor.detach
        for layer in found.patterns for kind in ("q", "k")
    }  # fmt: skip
    taps |= {Site("neurons", layer): _halved for layer in found.gated}
    with ExitStack() as stack:
        stack.enter_context(tapped(model.module, model.anatomy, taps))
        # Not hooks: a norm that two sublayers share is also called beside its hooks.
        instead = {module: _held(module, _with_scale_held(form)) for module, form in found.norms}
        instead |= {module: _held(module, _secant) for module in found.activations}
        stack.enter_context(overridden(instead))
        yield found


def freezable(model: Model) -> Frozen:
    """What of ``model`` can be held, found by what its parts compute on a short probe."""
    if model.module not in _FOUND:
        _FOUND[model.module] = _find(model)
    return _FOUND[model.module]


def _find(model: Model) -> Frozen:
    anatomy = model.anatomy
    with undisturbed(model.module), without_foreign(model.module), torch.no_grad():
        *records, outside = record_calls(
            model.module, [block.module for block in anatomy.blocks], probe_tokens(model.module)
        )
        like = torch.zeros(1, anatomy.d_model, dtype=model.dtype, device=model.device)
        norms = _norms([*records, outside], like)
        acts: list[nn.Module] = []
        gated, exact = [], []
        for layer, (block, record) in enumerate(zip(anatomy.blocks, records, strict=True)):
            if block.mlp is None:
                continue
            found = _activations(block.mlp, record)
            multiplies = _multiplies(block.mlp, record, found)
            if multiplies is None:
                exact.append(layer)
                continue
            acts += [call.module for call in found]
            gated += [layer] if multiplies else []
    patterns = tuple(i for i, block in enumerate(anatomy.blocks) if _pattern_apart(block))
    loose = [i for i, block in enumerate(anatomy.blocks) if block.attention and i not in patterns]
    note = "Attention patterns are held, so edges into queries and keys are zero by construction."
    for what, layers in (("MLPs", exact), ("attention", loose)):
        if layers:
            note += f" The {what} of layers {', '.join(map(str, layers))} could not be held."
    return Frozen(tuple(norms), patterns, tuple(dict.fromkeys(acts)), tuple(gated), note)


def _norms(records: list[Record], like: Tensor) -> list[tuple[nn.Module, NormForm]]:
    """Modules that read the stream's width and compute an ordinary norm."""
    width = like.shape[-1]
    found = {}
    for call in (call for record in records for call in record.calls):
        leaf = call.given is not None and not any(True for _ in call.module.children())
        if leaf and call.module not in found and call.given.shape[-1] == width:  # type: ignore[union-attr]
            form = norm_form(call.module, like)
            if form is not None:
                found[call.module] = form
    return list(found.items())


def _pattern_apart(block: Block) -> bool:
    """Whether the pattern is known to come from queries and keys alone."""
    return block.attention is not None and block.attention.by_head


def _activations(mlp: Mlp, record: Record) -> list[Call]:
    """Calls inside the MLP of modules without weights that act on each number by itself."""
    return [
        call
        for call in record.within(mlp.module)
        if not any(True for _ in call.module.children())
        and not any(True for _ in call.module.parameters())
        and _elementwise(call)
    ]


def _elementwise(call: Call) -> bool:
    """Whether f(0) = 0, and a change of one number changes that one only."""
    if call.given is None or call.out is None or call.given.shape != call.out.shape:
        return False
    x = call.given.clone()
    try:
        x[..., 0] += 1
        moved = (first(call.module(x)) - call.out).abs()
        apart = float(moved[..., 1:].max()) <= SAME * float(moved[..., 0].max())
        return apart and not bool(first(call.module(torch.zeros_like(x))).any())
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False


def _multiplies(mlp: Mlp, record: Record, activations: list[Call]) -> bool | None:
    """Whether the neurons are an activation times something else computed; None if unclear."""
    down = None if mlp.neurons is None else record.of(mlp.neurons)
    if down is None or down.given is None or not activations:
        return None
    neurons = down.given.flatten()
    for call in activations:
        assert call.out is not None
        if call.out.numel() == neurons.numel() and torch.equal(call.out.flatten(), neurons):
            return False
    others = [c.out for c in record.within(mlp.module) if c.out is not None]
    limit = TOLERANCE.get(neurons.dtype, 1e-4)
    for call in activations:
        for other in (part for out in others for part in _parts(out, call)):
            product = (call.out * other).flatten()  # type: ignore[operator]
            if float((product - neurons).norm()) <= limit * float(neurons.norm()):
                return True
    return None


def _parts(out: Tensor, call: Call) -> list[Tensor]:
    """``out`` or, where gate and value come from one layer, its halves, if shaped like the call."""
    assert call.out is not None
    width = call.out.shape[-1]
    halves = out.split(width, dim=-1) if out.shape[-1] == 2 * width else (out,)
    return [half for half in halves if half.shape == call.out.shape]


def _halved(value: Tensor) -> Tensor:
    """``value``, through which half of the gradient passes."""
    return value.detach() + (value - value.detach()) / 2


def _with_scale_held(form: NormForm) -> Callable[[Tensor, Tensor], Tensor]:
    def held(given: Tensor, out: Tensor) -> Tensor:
        _, scale = form.normalise(given.detach())
        linear = form.centre(given) / scale * form.gain()
        return out.detach() + (linear - linear.detach()).to(out.dtype)

    return held


def _secant(given: Tensor, out: Tensor) -> Tensor:
    slope = torch.where(given == 0, 0, out / given).detach()
    linear = given * slope
    return out.detach() + (linear - linear.detach())


def _held(module: nn.Module, held: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """The module's forward, with gradients as ``held`` makes them of its input and its value."""
    own = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        given = first_tensor((*args, *kwargs.values()))
        output = own(*args, **kwargs)
        value = first(output)
        if given is None or not value.requires_grad:
            return output
        new = held(given, value)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    return forward
