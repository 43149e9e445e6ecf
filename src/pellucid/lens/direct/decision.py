"""Where a decision is read: from the last stream, along a line, to (answer - foil).

With the final norm's scale held (``frozen_norm.py``) the difference of two logits is linear in the
last stream x at the reading position:

    logit(answer) - logit(foil) = x . direction + norm bias + unembedding bias

Everything behind the last block is the model's own: ``read_out`` runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pellucid.errors import TaskError
from pellucid.lens.direct.frozen_norm import FrozenNorm, Function, freeze_norm
from pellucid.model.linear import linear_weight
from pellucid.model.model import Model
from pellucid.model.running.forward import undisturbed
from pellucid.model.running.taps import first
from pellucid.model.sites import Site
from pellucid.run.gradient import demand_finite
from pellucid.run.observe import Observation, View, observe, read_out
from pellucid.run.question import demand_sums_of_parts, encode_contrast
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.encode import Encoded
from pellucid.task.tokens import listing


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The reading of answer against foil, as a line through the last stream of each row.

    Rows are the examples' clean prompts, then their corrupted ones.
    """

    kept: dict[Site, Tensor]
    """Every site asked for, at the reading position."""
    norm: FrozenNorm
    """From the last stream to what the unembedding reads."""
    factor: float
    """What the model multiplies its logits by."""
    direction: Float[Tensor, "row d_model"]
    norm_bias: Float[Tensor, " row"]
    unembed_bias: Float[Tensor, " row"]
    metric: Float[Tensor, " row"]
    """The difference of the two logits, before any cap."""
    model_metric: Float[Tensor, " row"]
    """The difference of the model's own logits, with any cap."""
    caveats: tuple[str, ...]


def decide(
    model: Model,
    encoded: Encoded,
    views: Mapping[Site, View],
) -> Decision:
    """Run both prompts, keep ``views``, and find the line along which the decision is read.

    **Cost** 2 forwards in 1 call; then 3 forwards and 3 backwards of one token through the last
    block, the final norm and the unembedding, whatever the number of components.
    **Raises** ``UnsupportedArchitectureError`` when the final norm cannot be held, ``HookError``
    where hooks of others change the terms.
    """
    demand_sums_of_parts(model, encoded)
    last = Site("resid_pre", model.anatomy.n_layers)
    tokens = torch.cat([encoded.clean, encoded.corrupted])
    reads = encoded.reads.repeat(2, 1)
    seen = observe(
        model,
        tokens,
        {**views, last: at_read(reads)},
        real=encoded.real.repeat(2, 1),
        reads=reads,
        variants=2,
    )
    demand_finite(seen.logits, "model's output")
    answers, foils = (ids.repeat(2, 1)[:, 0] for ids in (encoded.answers, encoded.foils))
    norm = freeze_norm(
        to_unembedding(model, tokens[:1, :1]),
        seen.kept[last],
        seen.given[:, 0],
        what=f"{type(model.module).__name__}: what lies between its last block and its unembedding",
    )
    factor, capped = postprocessing(seen)
    weight = linear_weight(model.anatomy.unembed).detach()
    line = factor * (weight[answers] - weight[foils])  # row d_unembed
    unembed = model.anatomy.unembed
    with undisturbed(model.module), torch.no_grad():
        bias = factor * first(unembed.forward(torch.zeros_like(seen.given[:1, :1])))[0, 0]
    return Decision(
        kept=seen.kept,
        norm=norm,
        factor=factor,
        direction=norm.pull(line),
        norm_bias=(line.double() @ norm.offset.double()),
        unembed_bias=(bias[answers] - bias[foils]).double(),
        metric=factor * difference(seen.raw, answers, foils),
        model_metric=difference(seen.logits, answers, foils),
        caveats=(CAPPED,) if capped else (),
    )


CAPPED = (
    "The model bends its logits after the unembedding (soft-capping), which no sum of parts "
    "survives: shares are of the difference of logits before that, and so is `metric`; "
    "`model_metric` is after it."
)


def postprocessing(seen: Observation) -> tuple[float, bool]:
    """What the logits are multiplied by behind the unembedding, and whether they are bent too."""
    if torch.equal(seen.raw, seen.logits):
        return 1.0, False
    raw, logits = seen.raw.double(), seen.logits.double()
    factor = float((raw * logits).sum() / raw.square().sum().clamp_min(1e-300))
    left = float((logits - factor * raw).norm() / logits.norm().clamp_min(1e-300))
    # A cap far above the logits bends them by less than rounding, and is then not noticed.
    if left > 16 * torch.finfo(seen.logits.dtype).eps:
        return 1.0, True
    return factor, False


def difference(
    logits: Float[Tensor, "row read d_vocab"],
    answers: Int[Tensor, " row"],
    foils: Int[Tensor, " row"],
) -> Float[Tensor, " row"]:
    """Answer's minus foil's logit at each row's one read."""
    rows = torch.arange(len(logits), device=logits.device)
    return (logits[rows, 0, answers] - logits[rows, 0, foils]).double()


def at_read(reads: Int[Tensor, "row read"]) -> View:
    """A view of ``[row pos ...]`` at the reading position of each row."""
    index = reads[:, 0]

    def view(value: Tensor) -> Tensor:
        return value[torch.arange(len(value), device=value.device), index.to(value.device)]

    return view


def one_token_each(model: Model, contrast: Contrast | ContrastBatch) -> Encoded:
    """The question as tensors, if answer and foil are one token each.

    **Raises** ``TaskError`` naming the pieces of a longer one, and what ``encode`` raises.
    """
    encoded = encode_contrast(model, contrast)
    if encoded.reads.shape[1] == 1 and encoded.n_examples == len(encoded.example):
        return encoded
    row = int(torch.cat([encoded.answers_real, encoded.foils_real]).sum(1).argmax())
    ids = torch.cat([encoded.answers, encoded.foils])[row]
    real = torch.cat([encoded.answers_real, encoded.foils_real])[row]
    raise TaskError(
        "Direct effects are shares of one logit difference, so answer and foil must be one token "
        f"each; here is one of several: {listing(model.tokenizer, ids[real].tolist())}. Contrast "
        "its first token, or use attribute() or patch(), which score sequences."
    )


def to_unembedding(model: Model, token: Int[Tensor, "1 1"]) -> Function:
    """The model's own way from its last stream to what its unembedding reads, row by row."""

    def function(streams: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_unembed"]:
        return read_out(model, token.expand(len(streams), -1), streams[:, None]).given[:, 0]

    return function
