"""How faithful a circuit is, measured by running the model with parts replaced.

    sufficiency        f(C): what is left when everything outside C is replaced
    comprehensiveness  1 - f(all but C): what is lost when C is replaced
    F1                 their harmonic mean (0 when either is not positive)

(DeYoung et al. 2020 for the terms; Wang et al. 2022 for circuits.) The random band is f of random
sets of the same size, and of sets with the same number of nodes of each kind in each layer.
"""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, Unpack

import pandas as pd

from pellucid.callbacks import expect
from pellucid.circuit.nodes.circuit import Circuit, over_of, over_text, replaceable, resolve_nodes
from pellucid.circuit.nodes.measure import Nodes, SetMeasure, measure_of
from pellucid.errors import EditError
from pellucid.keywords import keywords_of
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.model.named_parts import PartNames
from pellucid.model.random_sets import NodeRule, random_nodes
from pellucid.options import RANDOM_SETS, Over
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.identity import demand_made_of
from pellucid.run.provenance import with_provenance
from pellucid.run.setup import MeasureKeywords, MeasureOptions
from pellucid.stats.agreement import percentile_among
from pellucid.stats.interval import Interval
from pellucid.stats.rounding import undefined
from pellucid.task.contrast import Contrasts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Category: TypeAlias = Literal[
    "faithful", "backup_mechanisms", "opposed", "incomplete", "weak", "undefined"
]


@dataclass(frozen=True, kw_only=True)
class Faithfulness(Result):
    """Measured faithfulness of one circuit under one ablation, over stated replaceable parts.

    With m(C) the metric when every replaceable node outside C is replaced, and
    f(C) = (m(C) - m(none)) / (m(all) - m(none)): ``sufficiency`` is f(C), ``comprehensiveness``
    1 - f(all but C), never clipped; ``f1`` is their harmonic mean, 0 when either is not positive.
    """

    over: str
    ablation: str
    size: int
    out_of: int
    sufficiency: float
    comprehensiveness: float
    f1: float
    category: Category
    metric_all: float
    metric_none: float
    metric_circuit: float
    metric_without: float
    curve_sizes: tuple[int, ...]
    curve: tuple[float, ...]
    """f of the first nodes, as many as the size says, of the order that was given."""
    random_same_size: tuple[float, ...]
    random_same_layers: tuple[float, ...]
    passes: Passes
    noise: float = 0.0
    """Largest difference of the metric's mean that rounding explains."""
    opponents: tuple[str, ...] = ()
    """Parts outside the circuit that were kept too, because they oppose the answer."""
    sufficiency_with_opponents: float | None = None
    """f of the circuit and its opponents together, measured; None where none were given."""
    sufficiency_interval: Interval | None = None
    """Over the prompts that were measured."""
    comprehensiveness_interval: Interval | None = None

    @property
    def undefined(self) -> str:
        """Why shares are undefined (NaN), in words; empty where they are defined."""
        return why_undefined(self.sufficiency, self.metric_all - self.metric_none, self.noise)

    @property
    def percentile_same_size(self) -> float | None:
        """Percentage of random sets of this size that are less sufficient; None if none ran."""
        return percentile_of(self.sufficiency, self.random_same_size)

    @property
    def percentile_same_layers(self) -> float | None:
        """Percentage of less sufficient random sets with as many of each kind in each layer."""
        return percentile_of(self.sufficiency, self.random_same_layers)

    def to_frame(self) -> pd.DataFrame:
        """The curve: columns ``size effect`` with ``effect`` the measured f."""
        return pd.DataFrame({"size": self.curve_sizes, "effect": self.curve})

    def plot(self, *, target: float | None = None) -> "Figure":
        """The curve if one was measured, the circuit, and the middle 90 % of the random sets."""
        return shown(self, "figure", target)


@with_provenance
@keywords_of(MeasureOptions)
def faithfulness(
    model: Model,
    contrast: Contrasts,
    circuit: Circuit | Iterable[Node | str],
    *,
    over: Over | PartNames | None = None,
    curve: Sequence[Node] | None = None,
    random_sets: int = RANDOM_SETS,
    opponents: Iterable[Node | str] = (),
    measure: SetMeasure | None = None,
    **options: Unpack[MeasureKeywords],
) -> Faithfulness:
    """Measure ``circuit`` (a ``Circuit``, or nodes by name): what it keeps, and what it takes away.

    ``over`` (as in ``discover``) defaults to the circuit's own, else to all parts like those named:
    ``heads``, ``heads+mlps``, or the neurons of the same MLPs (``over_of``). ``curve`` gives an
    order of nodes along which f is measured at growing sizes. ``random_sets`` of each kind are
    measured for the percentile. ``opponents`` are parts outside that work against the answer:
    sufficiency is measured with them too, and ``category`` heeds it.
    A ``measure`` brings its recording and what it has measured; ``MeasureOptions`` says what the
    others are.

    **Cost** 2 forwards + 1 backward to record (none with ``trace``), 3 forwards for the set itself,
    one per curve point and per random set, one with opponents; all batched, none run twice.
    **Raises** ``EditError`` when the circuit holds a node that ``over`` does not replace,
    ``MismatchError`` for a circuit, trace or measure of other weights or another question (the
    circuit's ``nodes`` can be measured on any).
    """
    opened(model)
    if isinstance(circuit, Circuit):
        demand_made_of(model, contrast, circuit, "Circuit")
    given = MeasureOptions(**options)
    members = resolve_nodes(model, circuit.nodes if isinstance(circuit, Circuit) else circuit)
    if over is None:
        over = circuit.over if isinstance(circuit, Circuit) else over_of(model, members)
    over = over_text(over)
    allowed = replaceable(model, over)
    against = resolve_nodes(model, opponents)
    outside = [node.name for node in [*members, *against] if node not in set(allowed)]
    if outside:
        raise EditError(
            f"{', '.join(outside)} cannot be in a circuit over {over!r}, because it is never "
            "replaced there. Use over='heads+mlps', or leave it out."
        )
    stray = [str(node) for node in curve or () if node not in set(allowed)]
    if stray or random_sets < 0:
        raise EditError(
            f"curve={stray}, random_sets={random_sets}: a curve holds nodes that over={over!r} "
            "replaces, and there can be no fewer than 0 random sets."
        )
    with metering() as meter:
        measure = measure_of(model, contrast, allowed, given, measure)
        kept = frozenset(members)
        nested = nested_sets(curve, measure.over) if curve is not None else []
        rng = random.Random(given.seed)
        rules: tuple[NodeRule, ...] = ("size", "layers")
        drawn = [
            random_nodes(kept, measure.over, rng, matched=rule)
            for rule in rules
            for _ in range(random_sets)
        ]
        # One call for everything, so that it is batched together.
        beside = [kept | frozenset(against)] if against else []
        wanted = [kept, measure.all - kept, *nested, *drawn, *beside]
        expect(len(wanted) + 2)  # beside everything kept, and nothing
        values = measure.fraction(wanted)
        metrics = measure.metric([measure.all, measure.none, kept, measure.all - kept]).mean(1)
        within, without = measure.intervals([kept, measure.all - kept])
    sufficiency, comprehensiveness = values[0], 1 - values[1]
    with_opponents = values[-1] if against else None
    first, second = 2 + len(nested), 2 + len(nested) + random_sets
    return Faithfulness(
        over=over,
        ablation=measure.setup.ablation_name,
        size=len(kept),
        out_of=len(allowed),
        sufficiency=sufficiency,
        comprehensiveness=comprehensiveness,
        f1=f1(sufficiency, comprehensiveness),
        category=categorise(sufficiency, comprehensiveness, with_opponents),
        metric_all=float(metrics[0]),
        metric_none=float(metrics[1]),
        metric_circuit=float(metrics[2]),
        metric_without=float(metrics[3]),
        curve_sizes=tuple(len(s) for s in nested),
        curve=tuple(values[2:first]),
        random_same_size=tuple(values[first:second]),
        random_same_layers=tuple(values[second : second + random_sets]),
        passes=meter.passes,
        noise=measure.noise,
        opponents=tuple(node.name for node in against),
        sufficiency_with_opponents=with_opponents,
        sufficiency_interval=within,
        comprehensiveness_interval=without.mirrored(),
    )


def why_undefined(sufficiency: float, whole: float, noise: float) -> str:
    """That replacing everything changes the metric by no more than rounding; else empty."""
    if not math.isnan(sufficiency):
        return ""
    return undefined("replacing everything", whole, noise)


def f1(sufficiency: float, comprehensiveness: float) -> float:
    """Harmonic mean; 0 when either is not positive, NaN when either is."""
    if math.isnan(sufficiency) or math.isnan(comprehensiveness):
        return math.nan
    if sufficiency <= 0 or comprehensiveness <= 0:
        return 0.0
    return 2 * sufficiency * comprehensiveness / (sufficiency + comprehensiveness)


def categorise(
    sufficiency: float, comprehensiveness: float, with_opponents: float | None = None
) -> Category:
    """A word for the pair of numbers; the numbers are what was measured.

    ``backup_mechanisms``: sufficiency > 0.9 and comprehensiveness < 0.4 (Glassbox): the circuit can
    do it, but the model manages without. ``faithful``: both at least 0.7. ``incomplete``: necessary
    (at least 0.7) but not sufficient. ``opposed``: one of the first two, but no longer so with the
    parts in that oppose the answer (``with_opponents``). ``weak``: anything else.
    """
    word = _word(sufficiency, comprehensiveness)
    carries = word in ("faithful", "backup_mechanisms")
    if carries and with_opponents is not None and _word(with_opponents, comprehensiveness) != word:
        return "opposed"
    return word


def _word(sufficiency: float, comprehensiveness: float) -> Category:
    if math.isnan(sufficiency) or math.isnan(comprehensiveness):
        return "undefined"
    if sufficiency > 0.9 and comprehensiveness < 0.4:
        return "backup_mechanisms"
    if comprehensiveness >= 0.7:
        return "faithful" if sufficiency >= 0.7 else "incomplete"
    return "weak"


def curve_sizes(total: int) -> list[int]:
    """Sizes 1, 2, 4, ... and the whole."""
    sizes = [1 << i for i in range(total.bit_length()) if 1 << i < total]
    return [*sizes, total]


def nested_sets(order: Sequence[Node], over: Sequence[Node]) -> list[Nodes]:
    """The first 1, 2, 4, ... nodes of ``order``; nodes it leaves out come last."""
    ranked = [*order, *(node for node in over if node not in set(order))]
    return [frozenset(ranked[:size]) for size in curve_sizes(len(ranked))]


def percentile_of(value: float, sample: tuple[float, ...]) -> float | None:
    """Percentage of ``sample`` below ``value``; None without a sample, or for no value (NaN)."""
    return percentile_among(value, sample) if sample and not math.isnan(value) else None
