"""The runs at which each gradient method of ``attribute.py`` looks, with their weights."""

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.model import Model
from pellucid.model.sites import Site
from pellucid.options import METRIC
from pellucid.run.edges.products import Point, Values, slot_sites, stream_read
from pellucid.run.freeze import frozen
from pellucid.run.gradient import Change, Gradients, differentiate
from pellucid.run.record import Trace, record
from pellucid.run.sites import EMBED, node_sites
from pellucid.shapes import PerExample
from pellucid.task.contrast import Contrasts
from pellucid.task.metrics import Metric

TINY = 1e-30


def record_edges(
    model: Model,
    contrast: Contrasts,
    *,
    metric: str | Metric = METRIC,
    observed: Sequence[Site] = (),
) -> Trace:
    """A trace from which every edge's score follows; also values at sites ``observed``.

    **Cost** 2 forwards, 1 backward.
    """
    return record(
        model,
        contrast,
        metric=metric,
        sites=edge_sites(model),
        observed=[*stream_read(model.anatomy), *observed],
    )


def record_frozen(
    model: Model, contrast: Contrasts, *, metric: str | Metric = METRIC
) -> tuple[Trace, str]:
    """A recording with gradients of the affine run, and what of the model could not be held.

    Where patterns are held queries and keys are constants: their gradients are zeros.

    **Cost** 2 forwards, 1 backward, and once in the model's life a forward of six tokens.
    """
    with frozen(model) as held:
        still = {Site(kind, layer) for layer in held.patterns for kind in ("q", "k")}
        trace = record(
            model,
            contrast,
            metric=metric,
            sites=[site for site in edge_sites(model) if site not in still],
            observed=stream_read(model.anatomy),
        )
    for site in still:
        attention = model.anatomy.blocks[site.layer].attention
        projection = getattr(attention, site.kind)
        like = trace.clean[Site("z", site.layer)]
        trace.gradient[site] = like.new_zeros(*like.shape[:2], *projection.columns.shape)
    return trace, held.note


def edge_sites(model: Model) -> list[Site]:
    """Sites at which every node writes and every slot reads."""
    return [*node_sites(model), *slot_sites(model.anatomy)]


def points(model: Model, trace: Trace, method: str, steps: int) -> Iterator[tuple[float, Point]]:
    """The runs over which a method averages, with their weights; clean and corrupted are given."""
    change = node_changes(model, trace)
    if method in ("eap", "atp*", "clean-corrupted"):
        weight = 0.5 if method == "clean-corrupted" else 1.0
        yield weight, Point(change, trace.clean, trace.gradient)
    if method == "relp":
        yield 1.0, Point(change, trace.clean, trace.gradient, "held")
    if method == "clean-corrupted":
        yield 0.5, _point_at(model, trace, 0.0, change)
    if method == "eap-ig":
        for step in range(steps):
            yield 1 / steps, _point_at(model, trace, (step + 0.5) / steps, change)
    if method == "mask-ig":
        for step in range(steps):
            yield 1 / steps, _mixed_point(model, trace, (step + 0.5) / steps)


def node_changes(model: Model, trace: Trace) -> Values:
    """Clean minus corrupted output of every node."""
    return {site: trace.clean[site] - trace.corrupted[site] for site in node_sites(model)}


def _point_at(model: Model, trace: Trace, weight: float, change: Values) -> Point:
    """The run on embeddings ``weight`` of the way from the corrupted to the clean ones."""

    def between(site: Site, value: Tensor) -> Tensor:
        if site != EMBED:
            return value.clone()
        return trace.corrupted[EMBED].lerp(value, weight)

    found = differentiated(model, trace, between)
    return Point(change, found.values, found.gradients)


def _mixed_point(model: Model, trace: Trace, weight: float) -> Point:
    """The run in which every node writes ``weight`` of its term and the rest of its corrupted."""
    nodes = set(node_sites(model))

    def mix(site: Site, value: Tensor) -> Tensor:
        return trace.corrupted[site].lerp(value, weight) if site in nodes else value.clone()

    found = differentiated(model, trace, mix)
    change = {site: found.values[site] - trace.corrupted[site] for site in nodes}
    mixed = {site: trace.corrupted[site].lerp(found.values[site], weight) for site in nodes}
    return Point(change, {**found.values, **mixed}, found.gradients)


def differentiated(model: Model, trace: Trace, change: Change) -> Gradients:
    """The clean prompts run and differentiated at every edge site, each changed first."""
    return differentiate(
        model,
        trace.objective,
        edge_sites(model),
        observed=stream_read(model.anatomy),
        change=change,
    )


def demand_identity(
    model: Model,
    edges: Float[Tensor, "example sender"],
    nodes: Float[Tensor, "example sender"],
    difference: PerExample,
) -> float:
    """How far each node's edges, added up, are from its own score.

    Relative to the largest node score or metric difference: where every score is next to nothing
    beside that difference, what is left between them is rounding.

    **Raises** ``UnsupportedArchitectureError`` when edges don't add up to their nodes.
    """
    scale = max(float(nodes.abs().max()), float(difference.abs().max()), TINY)
    error = float((edges - nodes).abs().max()) / scale
    if error > 10 * TOLERANCE.get(model.dtype, 1e-4):
        raise UnsupportedArchitectureError(
            f"{type(model.module).__name__}: the scores of a node's edges add up to something that "
            f"differs from the node's own score by {error:.1e} of the largest score or of the "
            "metric difference, so some part reads the stream beside the slots that were found. "
            "No edge score of it would be right; use pellucid.attribute, which scores nodes.",
            error=error,
        )
    return error
