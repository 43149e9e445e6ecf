"""What the lenses on one question draw: their own numbers, handed to ``figures``."""

from typing import TYPE_CHECKING

from torch import Tensor

from pellucid.errors import TaskError
from pellucid.figures.appearance.text import visible
from pellucid.figures.bars import bars
from pellucid.figures.cells import Scale
from pellucid.figures.lens_grid import lens_grid
from pellucid.figures.lines import lines
from pellucid.figures.parts import by_layer, by_position
from pellucid.figures.scatter import scatter
from pellucid.figures.strip import strip
from pellucid.lens.direct.direct_effects import DirectEffects
from pellucid.lens.direct.direct_versus_total import ShareAgainstEffect
from pellucid.lens.direct.neurons import Neurons
from pellucid.lens.names import chosen_view
from pellucid.lens.residual.logit_lens import LogitLens
from pellucid.lens.tokens.token_attribution import TokenAttribution
from pellucid.options import AgainstView, DirectView, LensView, TokensView
from pellucid.results.views import shows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS = 20


@shows(LogitLens, "figure")
def draw_lens(lens: LogitLens, show: LensView | None) -> "Figure":
    """``LogitLens.plot``."""
    show = show or _usual_view(lens)
    chosen_view(show, LensView)
    if show == "layers":
        return _lens_by_layer(lens)
    if show == "shifts":
        return _lens_shifts(lens)
    values, label = _lens_values(lens, show)
    if lens.against is not None and show != "probability":
        values, label = _ending_behind_layer_0(lens, values, label)
    return lens_grid(
        values.double(),
        _lens_cells(lens),
        tokens=_lens_tokens(lens),
        rows=[point.name for point in lens.points],
        title=_lens_title(lens),
        label=label,
        highlight=_partings(lens, show),
    )


def _usual_view(lens: LogitLens) -> LensView:
    if lens.against is None:
        return "probability"
    return "kl" if lens.difference is None else "difference"


def _lens_values(lens: LogitLens, show: LensView) -> tuple[Tensor, str]:
    if show == "probability":
        return lens.prompt.top_probability[..., 0], "probability of the likeliest token"
    if show == "kl":
        if lens.kl is None:
            raise TaskError("show='kl' compares two prompts: pass against= to the lens.")
        return lens.kl, "KL of the two prompts' predictions, in nats"
    pair = _logit_difference_label(lens)
    if lens.against is None:
        assert lens.logit_difference is not None
        return lens.logit_difference, pair
    assert lens.difference is not None
    return lens.difference, f"{pair}: on the first prompt minus on the other"


def _ending_behind_layer_0(lens: LogitLens, values: Tensor, label: str) -> tuple[Tensor, str]:
    """Values cut at the largest behind layer 0: replaced tokens themselves differ by far more."""
    later = [i for i, point in enumerate(lens.points) if point.layer]
    end = values[later].abs().max() if later else values.abs().max()
    if bool((values.abs() <= end).all()):
        return values, label
    return values.clamp(-end, end), f"{label}; up to layer 0 it may be more than {float(end):.3g}"


def _logit_difference_label(lens: LogitLens) -> str:
    if lens.logit_difference is None:
        raise TaskError("A logit difference needs two targets: pass targets=[answer, foil].")
    return f"logit of {' minus '.join(visible(target) for target in lens.targets)}"


def _lens_cells(lens: LogitLens) -> list[list[str | tuple[str, ...]]]:
    """The likeliest token; of two prompts both, where they differ."""
    ours = [[tokens[0] for tokens in row] for row in lens.prompt.top_tokens]
    if lens.against is None:
        return [list(row) for row in ours]
    others = [[tokens[0] for tokens in row] for row in lens.against.top_tokens]
    return [
        [a if a == b else (a, b) for a, b in zip(row, other, strict=True)]
        for row, other in zip(ours, others, strict=True)
    ]


def _lens_tokens(lens: LogitLens) -> list[str]:
    ours = lens.prompt.tokens
    if lens.against is None:
        return list(ours)
    pairs = zip(ours, lens.against.tokens, strict=True)
    return [a if a == b else f"{a.strip()}¦{b.strip()}" for a, b in pairs]


def _lens_title(lens: LogitLens) -> str:
    if lens.against is None:
        return "Logit lens: the likeliest next token after each sublayer"
    return (
        "Logit lens: the likeliest next token of two prompts, both where they differ; framed: "
        "from there on the predictions differ by more than 0.1 nats"
    )


def _partings(lens: LogitLens, show: LensView) -> list[tuple[int, int]]:
    """Where the prompts part, as (row, column)."""
    if lens.against is None or show == "probability":
        return []
    parting = lens.parting("kl")
    return [(lens.points.index(point), column) for column, point in enumerate(parting) if point]


def _lens_by_layer(lens: LogitLens) -> "Figure":
    """The logit difference at the last position, from the embedding to the output."""
    label = _logit_difference_label(lens)
    sides = {"the prompt": lens.prompt.logit_difference}
    marks = {"embed": 0.0}
    if lens.against is not None:
        sides["the other prompt"] = lens.against.logit_difference
        point = lens.parting("difference")[-1]
        marks = {f"part at {point.name}": float(lens.points.index(point))} if point else {}
    return lines(
        range(len(lens.points)),
        {name: side[:, -1].double() for name, side in sides.items() if side is not None},
        title=f"Logit lens after {visible(lens.prompt.tokens[-1])}",
        labels=("sublayers run", label),
        marks=marks,
    )


def _lens_shifts(lens: LogitLens) -> "Figure":
    """What the sublayers that move the last position's logit difference most add to it."""
    label = _logit_difference_label(lens)
    assert lens.shift is not None
    shifts = lens.shift[1:, -1].double()  # behind the embedding
    largest = sorted(shifts.abs().argsort(descending=True, stable=True)[:BARS].tolist())
    names = [lens.points[i + 1].name for i in largest]
    title = f"Change across a sublayer, after {visible(lens.prompt.tokens[-1])}"
    if len(largest) < len(shifts):
        title += f": the largest {len(largest)} of {len(shifts)}"
    return bars(names, shifts[largest], title=title, label=label, order="given")


@shows(DirectEffects, "figure")
def draw_direct(found: DirectEffects, show: DirectView) -> "Figure":
    """``DirectEffects.plot``."""
    chosen_view(show, DirectView)
    label = "share in the logit difference"
    title = f"Direct effects: shares of a logit difference of {float(found.metric.mean()):+.2f}"
    if show == "map":
        inside = [t for t, term in enumerate(found.terms) if term.kind in ("head", "mlp")]
        parts = [found.terms[t] for t in inside]
        return by_layer(parts, found.share[inside].double(), title=title, label=label)
    if show == "bars":
        largest = found.share.abs().argsort(descending=True)[:BARS].tolist()
        names = [found.terms[t].name for t in largest]
        rest = len(found.terms) - len(largest)
        values = found.share[largest].tolist()
        if rest:
            names.append(f"the other {rest}")
            values.append(float(found.share.sum()) - sum(values))
        return bars(names, values, title=title, label=label)
    if found.by_source is None:
        raise TaskError('Shares were not split by source; call with split="source".')
    heads = [term.name for term in found.terms if term.kind == "head"]
    shares = found.by_source[0]
    largest = sorted(shares.sum(1).abs().argsort(descending=True)[:BARS].tolist())
    tokens = [token for token in found.tokens[0] if token]
    return by_position(
        [heads[head] for head in largest],
        shares[largest][:, : len(tokens)].double(),
        positions=range(len(tokens)),
        tokens=tokens,
        title="Direct effects of the strongest heads by token attended to"
        + _of_examples(len(found.tokens)),
        label=label,
    )


def _of_examples(count: int, example: int = 0) -> str:
    return f", example {example + 1} of {count}" if count > 1 else ""


@shows(ShareAgainstEffect, "figure")
def draw_against(found: ShareAgainstEffect, show: AgainstView) -> "Figure":
    """``ShareAgainstEffect.plot``."""
    chosen_view(show, AgainstView)
    direct = show == "change"
    agreed = found.change_agreement if direct else found.share_agreement
    label = "change of the direct share" if direct else "direct share on the prompt"
    return scatter(
        (found.change if direct else found.share).double(),
        found.effect.double(),
        found.nodes,
        title="Direct effects against patching",
        labels=(label, "measured effect of patching"),
        note=f"Pearson {agreed.pearson:.2f}, Spearman {agreed.spearman:.2f}; "
        "on the line: all of the effect is direct",
    )


@shows(TokenAttribution, "figure")
def draw_tokens(found: TokenAttribution, show: TokensView, example: int) -> "Figure":
    """``TokenAttribution.plot``."""
    chosen_view(show, TokensView)
    if not 0 <= example < len(found.tokens):
        raise TaskError(f"example={example}: there are {len(found.tokens)}, counted from 0.")
    tokens = [token for token in found.tokens[example] if token]
    values = found.per_example[example, : len(tokens)].double()
    scale: Scale = "sequential" if found.quantity == "weight" else "diverging"
    title = f"Tokens by {found.method}" + _of_examples(len(found.tokens), example)
    unit = "share of attention" if found.quantity == "weight" else "metric's units"
    label = f"{found.quantity} ({unit})"
    if show == "strip":
        return strip(values, tokens, title=title, label=label, scale=scale)
    names = [f"{visible(token)}  {place}" for place, token in enumerate(tokens)]
    return bars(names, values, title=title, label=label, scale=scale, order="given")


@shows(Neurons, "figure")
def draw_neurons(found: Neurons) -> "Figure":
    """``Neurons.plot``."""
    names = [
        f"{neuron}  raises {' '.join(visible(token, 12) for token in tokens[:3])}"
        for neuron, tokens in zip(found.top.tolist(), found.promotes, strict=True)
    ]
    return bars(
        names,
        found.share[found.top].double(),
        title=f"Neurons of M{found.layer}: the largest of {found.per_example.shape[1]}",
        label="share in the logit difference",
    )
