"""Probes: AUROC over layers and positions with its controls, as figure, text and sentences."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from pellucid.figures.heatmap import heatmap
from pellucid.figures.lines import lines
from pellucid.lens.text import wrapped
from pellucid.probing.effect import ProbeEffect
from pellucid.probing.result import Probe, ProbeRow
from pellucid.results.prose import Section, section
from pellucid.results.views import shows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 12
"""Rows of text."""


@shows(Probe, "figure")
def draw_probe(found: Probe) -> "Figure":
    """``Probe.plot``."""
    most = max(row.k for row in found.rows)
    rows = [row for row in found.rows if row.k == most]
    positions = list(dict.fromkeys(row.position for row in rows))
    if len(positions) > 1:
        sites = list(dict.fromkeys(row.site for row in rows))
        grid = torch.tensor([row.auroc for row in rows]).reshape(len(sites), len(positions))
        return heatmap(
            grid.double(),
            title=f"Probe for {found.labels[1]!r}: AUROC on held-out groups",
            rows=sites,
            columns=positions,
            label="AUROC",
            scale="sequential",
        )
    series = {f"k = {most}": [row.auroc for row in rows]}
    for k in sorted({row.k for row in found.rows} - {most}):
        series[f"k = {k}"] = [row.auroc for row in found.rows if row.k == k]
    series["shuffled labels"] = [row.shuffled for row in rows]
    if not all(math.isnan(row.random_model) for row in rows):
        series["random weights"] = [row.random_model for row in rows]
    series["bag of words"] = [found.bag_of_words] * len(rows)
    return lines(
        [row.layer for row in rows],
        series,
        title=f"Probe for {found.labels[1]!r} at {positions[0]} token: held-out groups",
        labels=("layer", "AUROC"),
    )


@shows(Probe, "text")
def probe_text(found: Probe) -> str:
    """The best place with every control, and the best probes of all, in at most 80 columns."""
    return "\n".join(_lines(found))


def _lines(found: Probe) -> Iterator[str]:
    best = found.rows[found.best]
    yield from wrapped(
        f"Probes for {found.labels[1]!r} against {found.labels[0]!r}, learned on {found.n_train} "
        f"examples, scored on {found.n_test} of other groups. Chosen inside the training part: "
        f"{best.site}, {best.position} token, {best.k} coordinates."
    )
    yield ""
    yield "site                      position    k  AUROC      interval  accuracy shuffled"
    for row in _top(found):
        yield _line(row)
    if len(found.rows) > _SHOWN:
        yield f"... {_SHOWN} of {len(found.rows)} probes; to_frame() has all."
    yield ""
    yield from _beside(found, best)
    yield from wrapped("That it can be read does not say that it is used: probe_effect asks.")
    yield f"Cost: {found.passes}."


def _top(found: Probe) -> list[ProbeRow]:
    if len(found.rows) <= _SHOWN:
        return list(found.rows)
    others = sorted(found.rows, key=lambda row: -(0 if math.isnan(row.auroc) else row.auroc))
    chosen = {id(found.rows[found.best]), *(id(row) for row in others[: _SHOWN - 1])}
    return [row for row in found.rows if id(row) in chosen]


def _line(row: ProbeRow) -> str:
    begins = f"{row.site:25.25} {row.position:>8} {row.k:4d}"
    if not row.converged:
        return f"{begins}  did not converge"
    bounds = f"{row.low:.2f} to {row.high:.2f}"
    shuffled = "" if math.isnan(row.shuffled) else f"{row.shuffled:9.3f}"
    return f"{begins}  {row.auroc:.3f} {bounds:>13} {row.balanced_accuracy:9.3f}{shuffled}"


def _beside(found: Probe, best: ProbeRow) -> Iterator[str]:
    figures = {
        "shuffled labels, the most of the draws": best.shuffled_most,
        f"{best.k} random coordinates": best.random_coordinates,
        "a model of random weights": best.random_model,
        "a bag of words": found.bag_of_words,
        "the other set": best.out_of_distribution,
        **found.few,
    }
    told = [f"{name} {value:.3f}" for name, value in figures.items() if not math.isnan(value)]
    yield from wrapped(
        f"AUROC {best.auroc:.3f} stands beside: {'; '.join(told)}. Always saying the more frequent "
        f"label is right in {100 * found.majority:.0f} %."
    )


@shows(Probe, "story")
def probe_story(found: Probe) -> tuple[Section, ...]:
    """The best place, chosen fairly, and what its figure stands beside."""
    place = f"rows.{found.best}"
    told = [
        f"At {{{place}.site}} a probe of {{{place}.k}} coordinates tells the labels apart with "
        f"AUROC {{{place}.auroc:.3f}} ({{{place}.low:.2f}} to {{{place}.high:.2f}}) on groups that "
        "it has not seen.",
        f"With shuffled labels it is {{{place}.shuffled:.3f}}, for a bag of words "
        "{bag_of_words:.3f}.",
        "That it can be read does not say that the model uses it.",
    ]
    return (section(found, "What can be read", told),)


@shows(ProbeEffect, "text")
def effect_text(found: ProbeEffect) -> str:
    """What is lost with the direction, and with random ones, in at most 80 columns."""
    others = found.random_effects
    return "\n".join(
        [
            *wrapped(
                f"With the probe's direction taken away at {found.site} the metric changes from "
                f"{float(found.metric_clean.mean()):+.3f} by {-found.effect:+.3f}; with "
                f"{len(others)} random directions by {-float(others.max()):+.3f} to "
                f"{-float(others.min()):+.3f} (p = {found.p_value:.2f})."
            ),
            f"Cost: {found.passes}.",
        ]
    )
