"""``probe``: what can be read off values inside a model, with every control beside it.

1. Labelled are split by group and label, before anything is learned.
2. Values are read once at every site; of the other set, and of a model of random weights, too.
3. At each place probes of k coordinates are fitted on the training part, and so are their controls:
   shuffled labels, random coordinates, the random model.
4. The best place is chosen over folds inside the training part; there, few labels and a rare class
   are tried.

Decodable is not used: ``probe_effect`` takes the direction away and asks the model.
"""

from collections.abc import Iterable, Sequence
from typing import Unpack

import numpy as np

from pellucid.callbacks import long_task
from pellucid.errors import EditError, TaskError
from pellucid.keywords import keywords_of
from pellucid.model.model import Model, opened
from pellucid.model.sites import Site
from pellucid.options import TEXT_POSITION, TextPosition, demand_choice
from pellucid.passes import metering
from pellucid.probing.controls import random_weight_model
from pellucid.probing.fit import Labels, Matrix
from pellucid.probing.options import ProbeKeywords, ProbeOptions
from pellucid.probing.places import Labelled, ProbePlace, estimator, probes_at
from pellucid.probing.result import Probe, ProbeRow
from pellucid.probing.split import group_numbers, split_by_group
from pellucid.run.corpus.activations import activations, sites_of
from pellucid.run.corpus.pooled import pooled
from pellucid.run.prompts import read_prompt
from pellucid.run.provenance import with_provenance


@with_provenance
@keywords_of(ProbeOptions)
def probe(
    model: Model,
    texts: Sequence[str | Sequence[int]],
    labels: Sequence[object],
    *,
    sites: Site | str | Iterable[Site | str] = "resid_pre",
    positions: TextPosition | int | Sequence[TextPosition | int] = TEXT_POSITION,
    **options: Unpack[ProbeKeywords],
) -> Probe:
    """Fit linear probes for two labels at every site, and say what their figures are worth.

    ``sites`` are those of ``activations``, heads side by side. ``positions`` says whose values
    stand for a text: ``"last"``, ``"mean"``, ``"max"``, or tokens by number (negative from the
    end), each on its own. ``ProbeOptions`` says what the other options are.

    **Assumes** that texts of different groups are independent.
    **Cost** 1 forward for each text (and for those of ``other``), again for the model of random
    weights; then fits, of which each is a fraction of a second.
    **Raises** ``TaskError`` for labels that are not two, for groups that cannot be split, or when
    the only probe does not converge; ``EditError`` for a site or position that is not there.
    """
    opened(model)
    chosen = _checked(ProbeOptions(**options))
    names, truth = _two_labels(texts, labels)
    groups = group_numbers(texts, chosen.groups)
    parts = split_by_group(truth, groups, chosen.test_share, chosen.seed)
    wanted = sites_of(model, sites)
    where = [positions] if isinstance(positions, str | int) else list(positions)
    for one in where:
        if isinstance(one, str):
            demand_choice("positions", one, TextPosition, TaskError)
    places: list[ProbePlace] = [(site, one) for site in wanted for one in where]
    ids = [read_prompt(model, text, name="text") for text in texts]
    with metering() as meter:
        values = _values(model, ids, places)
        others = None
        if chosen.other is not None:
            others = _values(model, chosen.other[0], places), _truth_of(chosen.other, names)
        plain = None
        if chosen.random_model:
            plain = _values(random_weight_model(model, chosen.seed), ids, places)
    examples = Labelled(names, truth, groups, parts, tuple(ids), chosen)
    rows: list[ProbeRow] = []
    total = len(places) * len(chosen.sizes)
    with long_task("Fitting probes", total=total, unit="probes") as told:
        for n, place in enumerate(places):
            other = None if others is None else (others[0][n], others[1])
            without = None if plain is None else plain[n]
            for row in probes_at(examples, place, values[n], without, other):
                rows.append(row)
                told.step()
    _demand_converged(rows)
    best = _best(rows)
    return estimator(examples, rows, best, values[best // len(chosen.sizes)], meter.passes)


def _values(
    model: Model, texts: Sequence[str | Sequence[int]], places: Sequence[ProbePlace]
) -> list[Matrix]:
    """Values ``[text d]`` of every place, each site read once."""
    sites = list(dict.fromkeys(site for site, _ in places))
    read = activations(model, list(texts), sites)
    found = []
    for site, position in places:
        try:
            found.append(pooled(read, site, position).double().cpu().numpy())
        except IndexError as error:
            raise EditError(
                f"positions={position}: some texts are shorter. Give texts of as many tokens, "
                'positions that all of them have, or "last", "mean" or "max".'
            ) from error
    return found


def _two_labels(
    texts: Sequence[object], labels: Sequence[object]
) -> tuple[tuple[str, str], Labels]:
    named = [str(one) for one in labels]
    if len(texts) != len(named):
        raise TaskError(f"There are {len(texts)} texts and {len(named)} labels; give one for each.")
    kinds = sorted(set(named))
    if len(kinds) != 2:
        shown = ", ".join(kinds[:5]) or "none"
        raise TaskError(
            f"labels are of {len(kinds)} kinds ({shown}); a probe tells two apart. Of several, ask "
            "for one against the rest."
        )
    return (kinds[0], kinds[1]), np.array([one == kinds[1] for one in named])


def _truth_of(other: tuple[Sequence[object], Sequence[object]], names: tuple[str, str]) -> Labels:
    found, truth = _two_labels(*other)
    if found != names:
        raise TaskError(f"other has the labels {found}, and the examples {names}.")
    return truth


def _checked(chosen: ProbeOptions) -> ProbeOptions:
    if not 0 < chosen.test_share <= 0.5:
        raise TaskError(f"test_share={chosen.test_share}: give a share above 0, up to 0.5.")
    if chosen.shuffles < 0 or not len(chosen.sizes):
        raise TaskError(f"shuffles={chosen.shuffles}, sizes={chosen.sizes!r}: give some of each.")
    if any(size is not None and size < 1 for size in chosen.sizes):
        raise TaskError(f"sizes={chosen.sizes!r}: give numbers from 1, or None for all.")
    return chosen


def _demand_converged(rows: Sequence[ProbeRow]) -> None:
    if not any(row.converged for row in rows):
        raise TaskError(
            f"None of the {len(rows)} probes converged, so there is no figure to give. Are values "
            "at these sites extremely large, or labels contradictory for equal texts?"
        )


def _best(rows: Sequence[ProbeRow]) -> int:
    """The row with the best figure inside the training part; the simplest of equals."""
    kept = [i for i, row in enumerate(rows) if row.converged]
    return max(kept, key=lambda i: (np.nan_to_num(rows[i].validation, nan=0.0), -rows[i].k))
