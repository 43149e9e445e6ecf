"""Activation patching: the effect of replacing one component, measured by running the model.

    noising    corrupted values are put into the clean run;
               effect = metric(clean) - metric(patched): what is lost, so what was necessary
    denoising  clean values are put into the corrupted run;
               effect = metric(patched) - metric(corrupted): what is restored, so what suffices

Both are positive for a component that supports the answer. (Vig et al. 2020; Meng et al. 2022;
Heimersheim & Nanda 2024) In noising, what is put in may also be a mean, zero, the value of another
example, or what the part writes when embeddings are noisy: the ablation of every part, one at a
time. ``ablate.py`` does it on one prompt alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Unpack, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.options import PatchKeywords, PatchOptions
from pellucid.callbacks import expect
from pellucid.errors import EditError
from pellucid.keywords import keywords_of
from pellucid.model.anatomy import Node
from pellucid.model.model import Model, opened
from pellucid.model.named_parts import PartNames, parts_in_layer, parts_named
from pellucid.model.parts import name_of, names_parts
from pellucid.options import (
    ABLATION,
    DIRECTION,
    PATCH_SITES,
    Direction,
    PatchSites,
)
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.registry import stored
from pellucid.results.result import Result
from pellucid.results.tables import tabulate
from pellucid.results.views import shown
from pellucid.run.identity import demand_trace_of
from pellucid.run.other_runs import noised_values, random_values, where_prompts_differ
from pellucid.run.provenance import with_provenance
from pellucid.run.record import Trace, record
from pellucid.run.setup import Setup
from pellucid.run.sites import stream_sites
from pellucid.run.variants import Unit, run_variants, unit_of
from pellucid.stats.interval import mean_intervals
from pellucid.stats.rounding import share_of
from pellucid.stats.units import Units
from pellucid.task.contrast import Contrasts
from pellucid.task.positions import positions_from_start

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = {
    "heads": "head",
    "mlps": "mlp",
    "nodes": "",
    "attn": "attn",
    "resid": "resid",
    "q": "q",
    "k": "k",
    "v": "v",
}
"""The kind of part that each choice of ``sites`` patches; ``nodes`` are of several."""


@stored
@dataclass(frozen=True, kw_only=True)
class Place:
    """What one patch replaced."""

    name: str
    kind: str
    layer: int
    head: int | None


@dataclass(frozen=True, kw_only=True)
class PatchEffects(Result):
    """Measured effect of every patch, in the metric's units; positive supports the answer."""

    direction: Direction
    sites: str
    """The kind of site, or the names of the parts that were patched."""
    places: tuple[Place, ...]
    positions: tuple[int, ...] | None
    """Columns patched one at a time, or None when every patch covered all positions."""
    per_example: Float[Tensor, "example position place"]
    metric_clean: Float[Tensor, " example"]
    metric_corrupted: Float[Tensor, " example"]
    preference: Float[Tensor, " example"]
    """Log-probability of answer minus foil on the clean prompt, whatever the metric."""
    passes: Passes
    noise: float = 0.0
    """Largest difference of the metric's mean that rounding explains."""
    ablation: str = ABLATION
    """What was put into the clean run."""
    units: Units | None = None
    """What examples share; None where nothing was said."""
    random_source: Float[Tensor, "example position place"] | None = None
    """Effects of values from a prompt whose deciding tokens are random; None if not measured."""

    @classmethod
    def of(
        cls, trace: Trace, units: Sequence[Unit], effect: Float[Tensor, "e p u"], **said: Any
    ) -> "PatchEffects":
        """The measured ``effect`` of ``units`` in a recording; ``said`` are the other fields."""
        return cls(
            places=tuple(map(place_of, units)),
            per_example=effect.cpu(),
            metric_clean=trace.metric_clean.cpu(),
            metric_corrupted=trace.metric_corrupted.cpu(),
            preference=trace.preference.cpu(),
            noise=trace.noise,
            units=trace.encoded.shared,
            **said,
        )

    @property
    def effect(self) -> Float[Tensor, "position place"]:
        """Mean over examples; one row when all positions were patched together."""
        return self.per_example.mean(0)

    @property
    def normalised(self) -> Float[Tensor, "position place"]:
        """Effect over (clean - corrupted): 1 means that the patch alone moves all of it.

        NaN, for undefined, where that difference is no more than rounding (``noise``).
        """
        whole = float((self.metric_clean - self.metric_corrupted).mean())
        return self.effect * share_of(1.0, whole, self.noise)

    def grid(self) -> Float[Tensor, "layer column"]:
        """The classical heat map: layers down; heads across, or positions across for the stream.

        **Raises** ``EditError`` when the patches are over heads and positions both.
        """
        heads = max((p.head or 0) for p in self.places) + 1
        if self.positions is not None and heads > 1:
            raise EditError("grid() shows heads or positions, not both; use to_frame().")
        layers = max(p.layer for p in self.places) + 1
        across = heads if self.positions is None else len(self.positions)
        grid = torch.full((layers, across), float("nan"), dtype=self.per_example.dtype)
        for index, place in enumerate(self.places):
            if self.positions is None:
                grid[place.layer, place.head or 0] = self.effect[0, index]
            else:
                grid[place.layer] = self.effect[:, index]
        return grid

    def to_frame(self) -> pd.DataFrame:
        """Columns ``node kind layer head position example effect``; example means.

        With a random source, its effect behind.
        """
        frame = self._tabled(self.effect, "effect")
        if self.random_source is not None:
            beside = self._tabled(self.random_source.mean(0), "random_source")
            frame["random_source"] = beside["random_source"]
        return frame

    def _tabled(self, values: Float[Tensor, "position place"], column: str) -> pd.DataFrame:
        if self.positions is None:
            return tabulate(self.places, values[0], column)
        frame = tabulate(self.places, values, column, axes=("position",))
        frame["position"] = frame["position"].map(dict(enumerate(self.positions))).astype("Int64")
        return frame

    def intervals(self) -> pd.DataFrame:
        """``to_frame`` with ``low high units``: the 95 % interval of each mean over prompts.

        NaN for too few of them, which ``units`` then says (``stats/interval.py``).
        """
        values = self.per_example.flatten(1).double().numpy()
        return mean_intervals(values, self.units).beside(self.to_frame())

    def plot(self, *, tokens: Sequence[str] | None = None) -> "Figure":
        """A heat map: layers and heads, or places and positions, which ``tokens`` name."""
        return shown(self, "figure", tokens)


@with_provenance
@keywords_of(PatchOptions)
def patch(
    model: Model,
    contrast: Contrasts,
    *,
    direction: Direction = DIRECTION,
    sites: PatchSites | str = PATCH_SITES,
    positions: Literal["all", "each"] | Sequence[int] = "all",
    only: PartNames | None = None,
    **options: Unpack[PatchKeywords],
) -> PatchEffects:
    """Measure the effect of replacing each component (or each at each position) alone.

    Noising puts corrupted values into the clean run, effect = metric(clean) - metric(patched);
    denoising clean values into the corrupted run, effect = metric(patched) - metric(corrupted).
    (Vig et al. 2020; Heimersheim & Nanda 2024)

    ``sites`` is a kind of place, or names parts: ``"M1.neurons"`` is every neuron of layer 1's MLP
    (see ``parts_named``).

    ``positions``: ``"all"`` together, ``"each"`` one by one, or a list of columns to take one by
    one, negative ones counted from the end. ``only`` limits the patches to places of these names.

    ``ablation`` puts something else into the clean run: ``"mean"`` over all prompts of the batch,
    ``"zero"``, ``"resample"``, another example's value, or ``"noise"``, what the part writes when
    Gaussian noise is added to the embeddings of the tokens in which the prompts differ (Meng et al.
    2022); both drawn by ``seed``. A ``trace`` of the same weights, question and metric is used
    instead of recording; where it lacks the sites to be patched, the question is recorded again.
    ``PatchOptions`` says what the other options are.

    **Cost** 2 forwards + 1 backward to record (none with a ``trace`` that holds the sites and
    streams), then 1 forward per patch in batched calls; 1 more with noise; with ``random_source``
    1 more, and the patches twice.
    **Raises** ``EditError`` for an unknown kind of site, a position outside the prompt, and for
    denoising with an ablation or a random source, which have no clean value to put back;
    ``TaskError`` for a model that is not opened, ``MismatchError`` for a trace of something else.
    """
    opened(model)
    chosen = PatchOptions(**options)
    if direction == "denoising" and (chosen.ablation != ABLATION or chosen.random_source):
        raise EditError(
            f"direction='denoising' with ablation={chosen.ablation!r}, random_source="
            f"{chosen.random_source}: denoising puts clean values into the corrupted run. Leave "
            "out one of the two."
        )
    if not (sites in _KINDS or names_parts(str(sites))) or direction not in get_args(Direction):
        raise EditError(
            f"sites={sites!r}, direction={direction!r}: choose sites from {sorted(_KINDS)} or "
            f"name parts, as in 'M1.neurons', and direction from {get_args(Direction)}."
        )
    units = [unit_of(part) for part in parts_at(model, sites, only)]
    with metering() as meter:
        wanted = list(dict.fromkeys(unit.site for unit in units))
        trace = chosen.trace
        if trace is not None:
            demand_trace_of(model, contrast, trace, chosen.metric)
        if trace is None or not all(site in trace.clean for site in wanted):
            sites_to_record = [*wanted, *stream_sites(model)]
            trace = record(model, contrast, metric=chosen.metric, sites=sites_to_record)
        setup = Setup(
            model=model,
            trace=trace,
            ablation=ABLATION if chosen.ablation == "noise" else chosen.ablation,
            seed=chosen.seed,
            memory_budget=chosen.memory_budget,
        )
        columns = resolve_positions(positions, trace.encoded.clean.shape[1])
        at, seed = where_prompts_differ(trace.encoded), chosen.seed
        if chosen.ablation == "noise":
            noisy = noised_values(model, trace.encoded, wanted, at=at, seed=seed)
            setup = replace(setup, ablation=noisy)
        effect = effects_of(setup, units, columns, direction)
        beside = None
        if chosen.random_source:
            other = random_values(model, trace.encoded, wanted, at=at, seed=seed)
            beside = effects_of(replace(setup, ablation=other), units, columns, direction).cpu()
    return PatchEffects.of(
        trace,
        units,
        effect,
        direction=direction,
        sites=sites,
        positions=columns,
        passes=meter.passes,
        ablation=chosen.ablation,
        random_source=beside,
    )


def effects_of(
    setup: Setup, units: Sequence[Unit], columns: Sequence[int] | None, direction: Direction
) -> Float[Tensor, "example position place"]:
    """The effect of every patch: of all columns together if ``columns`` is None, else of each."""
    trace, device = setup.trace, setup.model.device
    n_places = 1 if columns is None else len(columns)
    replaced = torch.eye(len(units), dtype=torch.bool, device=device).repeat(n_places, 1)
    at = None
    if columns is not None:
        length = trace.encoded.clean.shape[1]
        at = torch.eye(length, dtype=torch.bool, device=device)[list(columns)]
        at = at.repeat_interleave(len(units), dim=0)
    expect(len(replaced))
    wanted = list(dict.fromkeys(unit.site for unit in units))
    if direction == "noising":
        patched = run_variants(setup, units, replaced, setup.values(wanted), positions=at)
        effect = trace.metric_clean - patched
    else:
        clean = {site: trace.clean[site] for site in wanted}
        patched = run_variants(setup, units, replaced, clean, base="corrupted", positions=at)
        effect = patched - trace.metric_corrupted
    return effect.T.unflatten(1, (n_places, len(units)))


def parts_at(model: Model, sites: str, only: PartNames | None = None) -> tuple[Node, ...]:
    """Every part of a kind, or those named, in computing order; of them ``only`` these.

    **Raises** ``EditError`` for a name that the model does not have, or that is not among them.
    """
    if sites not in _KINDS:
        parts = parts_named(model.anatomy, sites, argument="sites")
    elif sites == "nodes":
        parts = model.nodes
    else:
        parts = tuple(
            part
            for layer in range(model.anatomy.n_layers)
            for part in parts_in_layer(model.anatomy, _KINDS[sites], layer)
        )
    if only is None:
        return parts
    return parts_named(model.anatomy, only, among=parts, argument="only")


def place_of(unit: Unit) -> Place:
    """A unit under the name that tables use."""
    layer = unit.site.layer
    return Place(
        name=name_of(unit.kind, layer, unit.head), kind=unit.kind, layer=layer, head=unit.head
    )


def resolve_positions(
    positions: Literal["all", "each"] | Sequence[int], length: int
) -> tuple[int, ...] | None:
    """Column numbers from the start; None for all together."""
    if positions == "all":
        return None
    if positions == "each":
        return tuple(range(length))
    listed = () if isinstance(positions, str | int) else positions
    return positions_from_start(
        listed, length, given=positions, otherwise="; or pass 'all' or 'each'"
    )
