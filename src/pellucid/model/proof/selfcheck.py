"""Proof, on a real forward, that a model is what its anatomy says.

The prompt is not the one from which the anatomy was found: what was taken for a constant must be
one for other tokens too.

1. The stream adds up: in every layer, input + attention's term + MLP's term = output, and the
   next layer receives it. Where layers multiply the stream, so does each step of the sum; and the
   last stream is the sum of all terms, each times the gains that it meets on its way.
2. The heads add up: in every layer, the sum over heads of z W_O, plus the bias, is what the output
   projection returned.
3. Norms are norms: what a sublayer's norm reads is the stream, what it returns is what the
   sublayer reads.
4. Heads are heads: changing one query, key, value or attention pattern moves the outputs of the
   heads that it belongs to and of no other; nothing but attention mixes positions.
5. Reading changes nothing: logits with every tap open equal the untouched model's.
6. Writing changes something: a write at each kind of site moves the logits. Sublayers that write
   the same whatever they read (a dead one, say) are noted instead.
7. The model is causal: another last token moves no logit before it.
8. Gradients pass: every layer with weights returns something that has one (``gradients.py``).
9. Nothing is left behind: no hook, no flag, no changed training mode.

And two abilities, used only where shown to be exact: starting at a later layer, and sharing the
keys and values of a common prefix; and two facts about what layers read (``routes.py``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.errors import CorruptModelError, UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy, Slot
from pellucid.model.detection.dependence import prove_heads, prove_layouts, prove_locality
from pellucid.model.detection.probe import (
    TOLERANCE,
    Record,
    proof_tokens,
    record_calls,
    same_values,
)
from pellucid.model.detection.sublayers import mlp_parts, nearest
from pellucid.model.proof.gradients import check_gradients
from pellucid.model.proof.routes import embedding_is_all, read_around_norms
from pellucid.model.proof.shortcuts import shares_prefix, starts_late
from pellucid.model.proof.writable import check_writes, idle_terms
from pellucid.model.running.forward import Batch, forward
from pellucid.model.sites import Site, SiteKind


@dataclass(frozen=True, kw_only=True)
class SelfCheck:
    """What was proved, with the largest relative errors found."""

    stream_error: float
    """Largest relative error of the stream's sum over layers."""
    heads_error: float
    """Largest relative error of the sum over heads in a layer."""
    logits_error: float
    """Largest absolute difference of logits with every tap open and with none."""
    writable: tuple[SiteKind, ...]
    """Sites at which a write was seen to change the logits."""
    missing: dict[SiteKind, str]
    """Sites that this architecture does not have, and why."""
    idle: tuple[Site, ...] = ()
    """Terms that are the same at every position: of sublayers that do nothing."""
    can_start_late: bool
    """Whether starting at a later layer gives the same logits."""
    can_share_prefix: bool
    """Whether continuing from cached keys and values gives the same logits."""
    embedding_is_all: bool
    """Whether layers know of the tokens by the stream alone (see ``routes.py``)."""
    read_around_norms: tuple[Site, ...]
    """Terms whose sublayer reads the stream by another way than through its norm."""


def selfcheck(module: nn.Module, anatomy: Anatomy) -> SelfCheck:
    """Check ``anatomy``, wherever it came from, against the running model.

    **Assumes** evaluation mode and no gradients (``undisturbed``).
    **Cost** fifteen to eighteen forwards of seven tokens, one of them with a row for every head.
    **Raises** ``UnsupportedArchitectureError`` naming the layer and the sum that failed;
    ``CorruptModelError`` when the logits are not finite.
    """
    found = check_detected(module, anatomy)
    check_dependence(module, anatomy, proof_tokens(module))
    return found


def check_detected(module: nn.Module, anatomy: Anatomy) -> SelfCheck:
    """Check all but point 4, which ``detect`` proves of every anatomy that it returns.

    **Assumes**, **raises** as ``selfcheck``. **Cost** thirteen forwards.
    """
    before = fingerprint(module)
    tokens = proof_tokens(module)
    with torch.no_grad():
        plain = forward(module, anatomy, Batch(tokens=tokens))
        if not plain.isfinite().all():
            raise CorruptModelError(
                "The model's logits on ordinary tokens are not finite. Its weights hold NaN or "
                "infinity, or its dtype overflows: reload it, or pass dtype='float32'."
            )
        seen, logits = read_everything(module, anatomy, tokens)
        check_shapes(module, tokens, seen)
        check_reading(module, anatomy, tokens)
        stream_error = max(
            check_stream(module, anatomy, seen), check_carried(module, anatomy, seen)
        )
        idle = idle_terms(seen)
        writable, missing = check_writes(module, anatomy, tokens, plain, idle)
        check = SelfCheck(
            stream_error=stream_error,
            heads_error=check_heads(module, anatomy, seen),
            logits_error=float((logits - plain).abs().max()),
            writable=writable,
            missing=missing,
            idle=idle,
            can_start_late=starts_late(module, anatomy, tokens, seen, plain),
            can_share_prefix=shares_prefix(module, anatomy, tokens, plain),
            embedding_is_all=embedding_is_all(module, anatomy, tokens),
            read_around_norms=read_around_norms(module, anatomy, tokens),
        )
        check_gradients(module, anatomy, tokens)
        again = forward(module, anatomy, Batch(tokens=tokens))
    limit = TOLERANCE.get(plain.dtype, 1e-4) * float(plain.abs().max())
    if check.logits_error > limit or float((again - plain).abs().max()) > limit:
        raise UnsupportedArchitectureError(
            f"{type(module).__name__}: reading activations changed the logits by "
            f"{check.logits_error:.1e}; the model does not run the same way twice."
        )
    if fingerprint(module) != before:
        raise UnsupportedArchitectureError(
            f"{type(module).__name__}: hooks or flags were left on the model after the check."
        )
    return check


def fingerprint(module: nn.Module) -> tuple[Any, ...]:
    """Everything that must be as it was: hooks, overridden forwards, modes, kernels, gradients."""
    hooks = sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
        for m in module.modules()
    )
    overridden = sum("forward" in m.__dict__ for m in module.modules())
    training = tuple(m.training for m in module.modules())
    learning = tuple(p.requires_grad for p in module.parameters())
    kernel = getattr(getattr(module, "config", None), "_attn_implementation", None)
    return hooks, overridden, training, learning, kernel


def read_everything(
    module: nn.Module, anatomy: Anatomy, tokens: Tensor
) -> tuple[dict[Site, Tensor], Tensor]:
    """Every stream, term and head output of one forward, and its logits."""
    seen: dict[Site, Tensor] = {}

    def reader(site: Site) -> Callable[[Tensor], None]:
        def read(value: Tensor) -> None:
            seen[site] = value.detach().clone()

        return read

    sites = [Site("resid_pre", layer) for layer in range(anatomy.n_layers + 1)]
    for layer, block in enumerate(anatomy.blocks):
        if block.attention:
            sites += [Site("z", layer), Site("attn_out", layer)]
        if block.mlp:
            sites.append(Site("mlp_out", layer))
        if block.mlp and block.mlp.neurons:
            sites.append(Site("neurons", layer))
    taps = {site: reader(site) for site in sites}
    logits = forward(module, anatomy, Batch(tokens=tokens), taps=taps)
    return seen, logits


def check_shapes(module: nn.Module, tokens: Tensor, seen: dict[Site, Tensor]) -> None:
    """Every tensor starts with the axes ``[row pos]`` of the tokens."""
    for site, value in seen.items():
        if value.shape[:2] != tokens.shape:
            raise UnsupportedArchitectureError(
                f"{type(module).__name__}: {site.name} has shape {tuple(value.shape)} for tokens "
                f"of shape {tuple(tokens.shape)}, so its positions are not those of the prompt."
            )


def check_reading(module: nn.Module, anatomy: Anatomy, tokens: Tensor) -> None:
    """Every norm in the anatomy reads the stream and feeds the sublayer it is said to feed."""
    records = record_calls(module, [b.module for b in anatomy.blocks], tokens)
    for layer, (block, record) in enumerate(zip(anatomy.blocks, records, strict=False)):
        name = f"{type(module).__name__}, layer {layer}"
        whole = record.of(block.module)
        assert whole is not None
        assert whole.given is not None
        points = [whole.given]
        if block.attention:
            inside = set(block.attention.module.modules())
            _check_norm(name, "attention", record, block.attention.norm, inside, points)
            write = block.attention.write
            term = record.of(write.module)
            assert term is not None
            assert term.out is not None
            written = write.term(term.out.reshape(whole.given.shape))
            points.append(block.middle(whole.given, written))
        if block.mlp:
            parts = mlp_parts(block.module, block.attention.module if block.attention else None)
            _check_norm(name, "MLP", record, block.mlp.norm, parts, points)


def _check_norm(
    name: str,
    sublayer: str,
    record: Record,
    norm: nn.Module | None,
    inside: set[nn.Module],
    points: list[Tensor],
) -> None:
    if norm is None:
        return
    call = record.of(norm)
    fed = call is not None and any(
        c.module in inside and c.module is not norm and same_values(c.given, call.out)
        for c in record.calls
    )
    if call is None or nearest(call.given, points) is None or not fed:
        raise UnsupportedArchitectureError(
            f"{name}: {type(norm).__name__} does not stand between the residual stream and the "
            f"{sublayer}, so gradients cannot be led through it."
        )


def check_dependence(module: nn.Module, anatomy: Anatomy, tokens: Tensor) -> None:
    """Queries, keys, values and patterns move the heads that they are said to belong to."""
    prove_locality(module, anatomy, tokens)
    for layer, faults in prove_layouts(module, anatomy, tokens).items():
        raise UnsupportedArchitectureError(
            f"{type(module).__name__}, layer {layer}: its heads are not where the anatomy says: "
            f"{'; '.join(faults.values())}.",
            layer=layer,
        )
    prove_heads(module, anatomy, tokens)


def check_stream(module: nn.Module, anatomy: Anatomy, seen: dict[Site, Tensor]) -> float:
    """Largest relative error of input + terms = output over layers."""
    worst = 0.0
    for layer, block in enumerate(anatomy.blocks):
        attention = seen[Site("attn_out", layer)].double() if block.attention else None
        mlp = seen[Site("mlp_out", layer)].double() if block.mlp else None
        middle = block.middle(seen[Site("resid_pre", layer)].double(), attention)
        after = seen[Site("resid_pre", layer + 1)]
        error = relative_error(block.after(middle, mlp), after)
        if not error <= TOLERANCE.get(after.dtype, 1e-4):
            raise UnsupportedArchitectureError(
                f"{type(module).__name__}, layer {layer}: stream + attention + MLP differs from "
                f"what layer {layer + 1} receives by {error:.1e} (relative). Something else is "
                "written to the residual stream there, or it is multiplied by something that is "
                "not the same for every token.",
                layer=layer,
                error=error,
            )
        worst = max(worst, error)
    return worst


def check_carried(module: nn.Module, anatomy: Anatomy, seen: dict[Site, Tensor]) -> float:
    """Relative error of sum over terms of carried x term = what the final norm reads.

    Zero where no layer multiplies the stream: that the layers add up says it already.
    """
    if not anatomy.multiplies:
        return 0.0
    end = Slot("logits")
    total = seen[Site("resid_pre", 0)].double() * anatomy.carried(None, "embed", end)
    for layer, block in enumerate(anatomy.blocks):
        if block.attention:
            term = seen[Site("attn_out", layer)].double()
            total = total + term * anatomy.carried(layer, "head", end)
        if block.mlp:
            term = seen[Site("mlp_out", layer)].double()
            total = total + term * anatomy.carried(layer, "mlp", end)
    after = seen[Site("resid_pre", anatomy.n_layers)]
    error = relative_error(total, after)
    if not error <= TOLERANCE.get(after.dtype, 1e-4):
        raise UnsupportedArchitectureError(
            f"{type(module).__name__}: its layers multiply the residual stream, and the sum of all "
            f"terms times those gains differs from the last stream by {error:.1e} (relative).",
            error=error,
        )
    return error


def check_heads(module: nn.Module, anatomy: Anatomy, seen: dict[Site, Tensor]) -> float:
    """Largest relative error of (sum of heads + bias) = the output projection's own result."""
    worst = 0.0
    for layer, block in enumerate(anatomy.blocks):
        attention = block.attention
        if attention is None:
            continue
        z = seen[Site("z", layer)]
        terms = torch.einsum("rphd,hdm->rphm", z.double(), attention.head_weight().double())
        bias = attention.head_bias()
        total = terms.sum(2) if bias is None else terms.sum(2) + bias.double()
        error = relative_error(total, attention.out_proj(z.flatten(-2)).reshape(total.shape))
        if not error <= TOLERANCE.get(z.dtype, 1e-4):
            raise UnsupportedArchitectureError(
                f"{type(module).__name__}, layer {layer}: the sum of its {attention.n_heads} heads "
                f"differs from the output projection's result by {error:.1e} (relative).",
                layer=layer,
                error=error,
            )
        worst = max(worst, error)
    return worst


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """Norm of the difference over the norm of ``wanted``."""
    wanted = wanted.double()
    return float((found - wanted).norm() / wanted.norm().clamp_min(1e-30))
