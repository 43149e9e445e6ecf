"""Probes at one place, with their controls; and the best of all as an estimator."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from pellucid.model.sites import Site
from pellucid.options import TextPosition
from pellucid.probing.controls import (
    bag_of_words_auroc,
    random_coordinates_auroc,
    shuffled_auroc,
)
from pellucid.probing.fit import (
    Fitted,
    Labels,
    Matrix,
    balanced_accuracy,
    best_coordinates,
    fit_probe,
    interval,
)
from pellucid.probing.options import ProbeOptions
from pellucid.probing.result import Probe, ProbeRow
from pellucid.probing.split import Split, folds_of
from pellucid.results.passes import Passes
from pellucid.stats.ranking import auroc

ProbePlace: TypeAlias = tuple[Site, TextPosition | int]
_NAN = float("nan")
_FEW = (8, 32)
_RARE = 9
"""Labelled of one class for each of the other, where it is rare."""
_DRAWS = 5


@dataclass(frozen=True)
class Labelled:
    """What is probed for, and how examples are split."""

    names: tuple[str, str]
    truth: Labels
    groups: NDArray[np.int64]
    parts: Split
    ids: tuple[tuple[int, ...], ...]
    options: ProbeOptions


def probes_at(
    examples: Labelled,
    place: ProbePlace,
    values: Matrix,
    without: Matrix | None,
    other: tuple[Matrix, Labels] | None,
) -> Iterator[ProbeRow]:
    """A row for each size; ``without`` are the values in a model of random weights."""
    train, test = examples.parts.train, examples.parts.test
    truth, options = examples.truth, examples.options
    for size in options.sizes:
        k = values.shape[1] if size is None else min(size, values.shape[1])
        found = _fitted(values, truth, train, k)
        if not found.converged:
            yield _row(place, k, converged=False)
            continue
        scores, own = found.scores(values[test]), truth[test]
        bounds = interval(scores, own, examples.groups[test], "auroc")
        shuffled = [
            shuffled_auroc(values, truth, examples.groups, examples.parts, k, options.seed + n)
            for n in range(options.shuffles)
        ]
        drawn = _NAN
        if k < values.shape[1]:
            drawn = random_coordinates_auroc(values, truth, examples.parts, k, options.seed)
        chance = _NAN
        if without is not None:
            chance = auroc(_fitted(without, truth, train, k).scores(without[test]), own)
        accuracy = interval(scores, own, examples.groups[test], "balanced_accuracy")
        yield _row(
            place,
            k,
            auroc=auroc(scores, own),
            low=bounds[0],
            high=bounds[1],
            balanced_accuracy=balanced_accuracy(scores, own),
            accuracy_low=accuracy[0],
            accuracy_high=accuracy[1],
            shuffled=float(np.mean(shuffled)) if shuffled else _NAN,
            shuffled_most=float(np.max(shuffled)) if shuffled else _NAN,
            random_coordinates=drawn,
            random_model=chance,
            out_of_distribution=_NAN if other is None else auroc(found.scores(other[0]), other[1]),
            validation=_validation(examples, values, k),
        )


def _fitted(values: Matrix, truth: Labels, train: NDArray[np.int64], k: int) -> Fitted:
    return fit_probe(values[train], truth[train], best_coordinates(values[train], truth[train], k))


def _row(place: ProbePlace, k: int, *, converged: bool = True, **figures: float) -> ProbeRow:
    site, position = place
    names = [name for name, kind in ProbeRow.__annotations__.items() if kind is float]
    return ProbeRow(
        site=site.name,
        layer=site.layer,
        position=str(position),
        k=k,
        converged=converged,
        **{name: figures.get(name, _NAN) for name in names},
    )


def _validation(examples: Labelled, values: Matrix, k: int) -> float:
    """AUROC over folds inside the training part."""
    train = examples.parts.train
    inside, truth = values[train], examples.truth[train]
    found = []
    for part in folds_of(truth, examples.groups[train], examples.options.seed):
        made = _fitted(inside, truth, part.train, k)
        found.append(auroc(made.scores(inside[part.test]), truth[part.test]))
    return float(np.mean(found)) if found else _NAN


def estimator(
    examples: Labelled, rows: Sequence[ProbeRow], best: int, values: Matrix, passes: Passes
) -> Probe:
    """All rows, and the best one's weights on the values of its place."""
    train, truth, k = examples.parts.train, examples.truth, rows[best].k
    found = _fitted(values, truth, train, k)
    weights = np.zeros(values.shape[1])
    weights[found.coordinates] = found.weights
    sides = [values[train][truth[train] == side].mean(0) for side in (True, False)]
    share = float(truth.mean())
    return Probe(
        labels=examples.names,
        rows=tuple(rows),
        best=best,
        weights=torch.from_numpy(weights),
        bias=found.bias,
        mean=torch.from_numpy(np.mean(sides, axis=0)),
        majority=max(share, 1 - share),
        bag_of_words=bag_of_words_auroc(examples.ids, truth, examples.parts),
        few=_from_few(examples, values, k),
        n_train=len(train),
        n_test=len(examples.parts.test),
        passes=passes,
    )


def _from_few(examples: Labelled, values: Matrix, k: int) -> dict[str, float]:
    """AUROC on the test part from few labels, and with the second label rare; means of draws."""
    train, test, truth = examples.parts.train, examples.parts.test, examples.truth
    sides = [train[truth[train] == side] for side in (False, True)]
    asked = {f"{n} labels": (n // 2, n // 2) for n in _FEW}
    rare = len(sides[0]) // _RARE
    if rare > 1:
        asked[f"1 of {_RARE + 1} has the second label"] = (rare * _RARE, rare)
    found = {}
    for name, sizes in asked.items():
        if any(size > len(side) for size, side in zip(sizes, sides, strict=True)):
            continue
        scores = []
        for draw in range(_DRAWS):
            rng = np.random.default_rng(examples.options.seed + draw)
            pairs = zip(sides, sizes, strict=True)
            part = np.concatenate([rng.choice(side, size, replace=False) for side, size in pairs])
            made = _fitted(values, truth, part, k)
            scores.append(auroc(made.scores(values[test]), truth[test]))
        found[name] = float(np.mean(scores))
    return found
