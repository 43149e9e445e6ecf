"""Direct logit attribution: what each component itself wrote towards the answer.

With x the last stream at the reading position, the sum of what every component wrote, and the
final norm's scale held at its value there (``decision.py``),

    logit(answer) - logit(foil) = sum over components of  term . direction  + biases

so each summand is a *share*, and the shares add up (Elhage et al. 2021; Wang et al. 2022). A share
is what a component writes *directly*; what others make of it downstream is not in it, and a large
share need not be a cause: compare it with ``patch``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import TaskError, UnsupportedArchitectureError
from pellucid.lens.direct.by_source import heads_by_source, source_views
from pellucid.lens.direct.decision import Decision, at_read, decide, one_token_each
from pellucid.lens.direct.direct_versus_total import (
    Measured,
    ShareAgainstEffect,
    share_against_effect,
)
from pellucid.lens.direct.pullback import shares_of_heads
from pellucid.lens.text import column, quoted, wrapped
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.options import DIRECT_SPLIT, DIRECT_VIEW, METRIC, DirectSplit, DirectView
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result, as_tensor
from pellucid.results.tables import tabulate
from pellucid.results.views import shown
from pellucid.run.identity import demand_alike
from pellucid.run.observe import View
from pellucid.run.provenance import with_provenance
from pellucid.run.sites import EMBED
from pellucid.stats.interval import mean_intervals
from pellucid.stats.units import Units
from pellucid.task.contrast import Contrast, ContrastBatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SHOWN = 12


@stored
@dataclass(frozen=True, kw_only=True)
class Term:
    """One summand of a logit difference."""

    name: str
    """``embed``, ``L9H6``, ``M3``, ``A3.bias``, ``norm.bias`` or ``unembed.bias``."""
    kind: Literal["embed", "head", "mlp", "bias"]
    layer: int | None = None
    head: int | None = None


@dataclass(frozen=True, kw_only=True)
class DirectEffects(Result):
    """Shares in (logit of answer - logit of foil); positive supports the answer."""

    terms: tuple[Term, ...]
    tokens: tuple[tuple[str, ...], ...]
    """The clean prompts, as tokens."""
    per_example: Float[Tensor, "example term"]
    """Shares on the clean prompt."""
    corrupted: Float[Tensor, "example term"]
    """Shares on the corrupted prompt, with the scale that the norm has there."""
    metric: Float[Tensor, " example"]
    """Logit difference on the clean prompt, before any cap: what the shares must sum to."""
    metric_corrupted: Float[Tensor, " example"]
    model_metric: Float[Tensor, " example"]
    """The model's own logit difference; another number only where it caps its logits."""
    by_source: Float[Tensor, "example head pos"] | None
    """Each head's share split by the token attended to, heads in the order of ``terms``; only with
    ``split="source"``."""
    caveats: tuple[str, ...]
    passes: Passes
    units: Units | None = None
    """What examples share; None where nothing was said."""

    @property
    def share(self) -> Float[Tensor, " term"]:
        """Shares on the clean prompt, mean over examples."""
        return self.per_example.mean(0)

    @property
    def change(self) -> Float[Tensor, " term"]:
        """Share on the clean minus share on the corrupted prompt, mean over examples."""
        return (self.per_example - self.corrupted).mean(0)

    @property
    def total(self) -> Float[Tensor, " example"]:
        """Sum of all shares."""
        return self.per_example.sum(1)

    @property
    def residual(self) -> Float[Tensor, " example"]:
        """``total - metric``: the proof that nothing was left out."""
        return self.total - self.metric

    def to_frame(self, per: Literal["node", "example", "source"] = "node") -> pd.DataFrame:
        """Columns ``node kind layer head position example share change``, in computing order.

        With ``per="source"`` one row per head and token attended to: ``share`` and ``token``.

        **Raises** ``TaskError`` when shares were not split by source.
        """
        if per == "source":
            return self._by_source()
        if per not in ("node", "example"):
            raise TaskError(f"per={per!r} is not known; choose node, example or source.")
        axes = ("example",) if per == "example" else ()
        share, change = (
            (self.per_example, self.per_example - self.corrupted)
            if axes
            else (self.share, self.change)
        )
        frame = tabulate(self.terms, share, "share", axes=axes)
        return frame.assign(change=change.flatten().double().numpy())

    def intervals(self) -> pd.DataFrame:
        """``to_frame`` with ``low high units``: the 95 % interval of each share over prompts.

        NaN for too few of them, which ``units`` then says (``stats/interval.py``).
        """
        found = mean_intervals(self.per_example.double().numpy(), self.units)
        return found.beside(self.to_frame())

    def _by_source(self) -> pd.DataFrame:
        if self.by_source is None:
            raise TaskError('Shares were not split by source; call with split="source".')
        heads = [term for term in self.terms if term.kind == "head"]
        values = self.by_source.transpose(1, 2)  # example pos head
        frame = tabulate(heads, values, "share", axes=("example", "position"))
        places = zip(frame["example"], frame["position"], strict=True)
        frame["token"] = [self.tokens[e][p] for e, p in places]
        real = frame["token"] != ""
        return frame[real].reset_index(drop=True)

    def compare(self, effects: Measured) -> ShareAgainstEffect:
        """Shares beside the effects that ``patch(..., sites="heads")`` measured of the same heads.

        **Raises** ``TaskError`` when the two have no component in common, ``MismatchError`` for
        effects on another question, other weights, or in another metric than the logit difference.
        """
        found = share_against_effect(self.to_frame(), effects)
        demand_alike(self, effects, "PatchEffects", metric=METRIC)
        return replace(found, provenance=self.provenance)

    def plot(self, show: DirectView = DIRECT_VIEW) -> "Figure":
        """Shares as a ``"map"`` of layers and heads, as ``"bars"`` of the largest and the rest, or
        those of the strongest heads by token attended to (``"sources"``, the first example).

        **Raises** ``TaskError`` when shares were not split by source.
        """
        return shown(self, "figure", show)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


@with_provenance
def direct_effects(
    model: Model, contrast: Contrast | ContrastBatch, *, split: DirectSplit = DIRECT_SPLIT
) -> DirectEffects:
    """Share of the embedding, every head, MLP and bias in the decision between answer and foil.

    ``split="source"`` also splits each head's share by the token it attends to:
    pattern x value, led through the head's output weights.

    **Assumes** a final norm that is linear once its scale is held, which is proved for each prompt
    (``frozen_norm.py``): LayerNorm, RMSNorm and their relatives, no table of families. Norms behind
    a sublayer are held too.
    **Cost** 2 forwards in 1 call; then 3 forwards and 3 backwards of one token through the last
    block, the final norm and the unembedding.
    **Raises** ``TaskError`` for an answer or foil of several tokens,
    ``UnsupportedArchitectureError`` when a norm cannot be held or the shares do not sum to the
    logit difference, ``EditError`` for ``split="source"`` where attention patterns or values cannot
    be read.
    """
    if split not in ("none", "source"):
        raise TaskError(f"split={split!r} is not known; choose 'none' or 'source'.")
    encoded = one_token_each(model, contrast)
    with torch.inference_mode(False), metering() as meter:
        views: dict[Site, View] = dict.fromkeys(
            term_sites(model), at_read(encoded.reads.repeat(2, 1))
        )
        if split == "source":
            views |= source_views(model, at_read(encoded.reads.repeat(2, 1)))
        decision = decide(model, encoded, views)
        terms, shares = shares_of(model, decision)
        demand_sum(model, shares, decision)
        n = encoded.n_examples
        by_source = heads_by_source(model, decision, n) if split == "source" else None
    return DirectEffects(
        terms=terms,
        tokens=encoded.clean_labels,
        per_example=as_tensor(shares[:n]),
        corrupted=as_tensor(shares[n:]),
        metric=as_tensor(decision.metric[:n]),
        metric_corrupted=as_tensor(decision.metric[n:]),
        model_metric=as_tensor(decision.model_metric[:n]),
        by_source=None if by_source is None else as_tensor(by_source),
        caveats=decision.caveats,
        passes=meter.passes,
        units=encoded.shared,
    )


def term_sites(model: Model) -> list[Site]:
    """Sites of everything that is written, before and behind the projections of heads."""
    sites = [EMBED]
    for layer, block in enumerate(model.anatomy.blocks):
        if block.attention:
            sites += [Site("z", layer), Site("attn_out", layer)]
        if block.mlp:
            sites.append(Site("mlp_out", layer))
    return sites


def shares_of(
    model: Model, decision: Decision
) -> tuple[tuple[Term, ...], Float[Tensor, "row term"]]:
    """Every term with its share in each row; biases that the model does not have are left out."""
    line = decision.direction.double()
    found: list[tuple[Term, Tensor]] = []

    def along(site: Site) -> Float[Tensor, " row"]:
        return (decision.kept[site].double() * line).sum(-1)

    found.append((Term(name="embed", kind="embed"), along(EMBED)))
    for layer, block in enumerate(model.anatomy.blocks):
        if block.attention:
            heads, written = shares_of_heads(model, decision, layer)
            for head, share in enumerate(heads.unbind(1)):
                name = f"L{layer}H{head}"
                found.append((Term(name=name, kind="head", layer=layer, head=head), share))
            found.append((Term(name=f"A{layer}.bias", kind="bias", layer=layer), written.bias))
        if block.mlp:
            share = along(Site("mlp_out", layer))
            found.append((Term(name=f"M{layer}", kind="mlp", layer=layer), share))
    found.append((Term(name="norm.bias", kind="bias"), decision.norm_bias))
    found.append((Term(name="unembed.bias", kind="bias"), decision.unembed_bias))
    there = [(term, share) for term, share in found if term.kind != "bias" or bool(share.any())]
    return tuple(term for term, _ in there), torch.stack([share for _, share in there], dim=1)


def demand_sum(model: Model, shares: Float[Tensor, "row term"], decision: Decision) -> None:
    """**Raises** ``UnsupportedArchitectureError`` when shares do not sum to the metric."""
    size = shares.abs().sum(1).clamp_min(1.0)
    left = ((shares.sum(1) - decision.metric).abs() / size).max()
    if not float(left) <= TOLERANCE.get(model.dtype, 1e-4):
        raise UnsupportedArchitectureError(
            f"{type(model.module).__name__}: the shares of all components miss the logit "
            f"difference by {float(left):.1e} of their size. Something reaches the logits besides "
            "them; measure effects with patch() instead."
        )


def _lines(found: DirectEffects) -> Iterator[str]:
    """The largest shares, what kinds they are of, and the check, in at most 80 columns."""
    frame = found.to_frame()
    yield "Direct effects: shares in logit(answer) - logit(foil); positive supports it"
    yield ""
    yield "  component        share    change"
    for row in frame.loc[frame["share"].abs().nlargest(_SHOWN).index].to_dict("records"):
        yield f"  {column(row['node'], 13)} {row['share']:+8.3f}  {row['change']:+8.3f}"
    yield ""
    summed = frame.groupby("kind", sort=False)[["share", "change"]].sum()
    for row in summed.reset_index().to_dict("records"):
        yield f"  all {column(row['kind'], 9)} {row['share']:+8.3f}  {row['change']:+8.3f}"
    total, metric = float(found.total.mean()), float(found.metric.mean())
    yield f"  total         {total:+8.3f}  of a logit difference of {metric:+.3f}"
    worst = float(found.residual.abs().max())
    yield f"  residual      {worst:8.1e}  (the largest of {len(found.metric)})"
    if found.by_source is not None:
        yield ""
        yield "  head    token attended to   share"
        sources = found.to_frame("source")
        mean = sources.groupby(["node", "position", "token"])["share"].sum() / len(found.metric)
        for row in mean[mean.abs().nlargest(6).index].reset_index().to_dict("records"):
            token = column(f"{row['position']} {quoted(row['token'], 12)}", 17)
            yield f"  {column(row['node'], 7)} {token} {row['share']:+8.3f}"
    yield ""
    yield "change: share on the clean minus share on the corrupted prompt."
    for caveat in found.caveats:
        yield from wrapped(caveat)
    yield f"Cost: {found.passes}."
