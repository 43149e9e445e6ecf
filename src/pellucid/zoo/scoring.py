"""Scoring methods by the zoo: how far up each puts the edges that are known to matter.

1. A method is a name that ``attribute_edges`` knows, ``verified`` or ``automatic``
   (``discover_edges`` by slot-ig, to nine tenths of the effect; automatic is shown more questions,
   for it tests edges over examples), or a function of (model, contrast) that gives ``EdgeScores``,
   a matrix [sender, slot], or an ``EdgeCircuit``, whose set is then judged as well.
2. Edges are ranked by absolute score. Hidden ones, which matter only while others are cut, count
   neither way.
3. Beside the ranking, its prefixes are measured: |1 - f| over the logarithm of the size.
4. P-values of the scores, where they are kept by example, are held against models in which nothing
   is to be found (``nulls.py``).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.attribution.edges.attribute import INTEGRATED, attribute_edges
from pellucid.attribution.edges.scores import EdgeScores
from pellucid.callbacks import long_task
from pellucid.circuit.edges.circuit import EdgeCircuit
from pellucid.circuit.edges.discover import discover_edges
from pellucid.circuit.edges.measure import EdgeMeasure
from pellucid.circuit.edges.sets import EdgeSet, top
from pellucid.circuit.nodes.faithfulness import curve_sizes
from pellucid.errors import EditError
from pellucid.model.model import Model
from pellucid.options import NULL_TESTS, EdgeMethod, EdgeSearch
from pellucid.passes import metering
from pellucid.run.provenance import with_provenance
from pellucid.run.setup import setup_of
from pellucid.stats import ranking
from pellucid.stats.area import log_mean
from pellucid.task.contrast import ContrastBatch
from pellucid.zoo.nulls import NULLS, Calibration, calibrate, null_questions
from pellucid.zoo.registry import Specimen, names, specimen
from pellucid.zoo.result import BLIND, ZooResult, ZooScore

_Found: TypeAlias = EdgeScores | EdgeCircuit | Float[Tensor, "sender slot"]
Scorer: TypeAlias = Callable[[Model, ContrastBatch], _Found]
SEARCHES: tuple[EdgeSearch, ...] = ("verified", "automatic")
"""Searches that end with a set of edges, whose size is judged beside its ranking."""
METHODS: tuple[str, ...] = (*get_args(EdgeMethod), *SEARCHES)
SEARCH_TARGET, SEARCH_BUDGET = 0.9, 400
NULL_STEPS = 4
"""Where nothing is to be found, there is no metric difference by which to choose the steps."""


@with_provenance
def run(
    methods: str | Scorer | Sequence[str | Scorer] = METHODS,
    *,
    models: str | Sequence[str] = "*",
    null_tests: int = NULL_TESTS,
) -> ZooResult:
    """Score ``methods`` on the models whose names match ``models``, as ``induction/*``.

    ``null_tests`` questions are put to each model without a circuit, to see how often p-values of
    edge scores are small by chance; 0 leaves that out, and so does a function that gives no scores
    by example.

    **Cost** that of the methods on every model, and about 8 forwards a model and method.
    **Raises** ``EditError`` for a method or a model that is not there, and for scores of another
    shape than the model's edges.
    """
    chosen = scorers(methods)
    wanted = names(models)
    scores: list[ZooScore] = []
    notes: dict[str, str] = {}
    rounds = len(wanted) * len(chosen) + len(chosen)
    with metering() as meter, long_task("Scoring", total=rounds, unit="scores") as told:
        for name in wanted:
            subject = specimen(name)
            measure = EdgeMeasure(setup_of(subject.model, subject.contrast))
            for method, scorer in chosen.items():
                found, row = scored(subject, measure, method, scorer)
                scores.append(row)
                told.step()
                own = found.note if isinstance(found, EdgeScores) else ""
                notes[method] = " ".join(filter(None, (BLIND.get(method), own)))
        calibrations = []
        for method, scorer in chosen.items():
            calibrations.append(calibrated(method, scorer, null_tests))
            told.step()
    return ZooResult(
        scores=tuple(scores),
        calibration=tuple(found for found in calibrations if found is not None),
        notes=notes,
        passes=meter.passes,
    )


def scorers(methods: str | Scorer | Sequence[str | Scorer]) -> dict[str, Scorer]:
    """Methods under their names, each once.

    **Raises** ``EditError`` for a name that ``attribute_edges`` does not know.
    """
    given: Iterable[str | Scorer]
    given = methods if isinstance(methods, Sequence) and not isinstance(methods, str) else [methods]
    found: dict[str, Scorer] = {}
    for method in given:
        name = method if isinstance(method, str) else getattr(method, "__name__", repr(method))
        if isinstance(method, str) and method not in METHODS:
            raise EditError(
                f"method {method!r} is not known; choose from {METHODS}, or give a function of "
                "(model, contrast)."
            )
        if name in found:
            raise EditError(f"Two methods are called {name!r}. Give each once, under its own name.")
        found[name] = _named(method) if isinstance(method, str) else method
    return found


def scored(
    subject: Specimen, measure: EdgeMeasure, method: str, scorer: Scorer
) -> tuple[_Found, ZooScore]:
    """What ``scorer`` finds of one model, and how good that is.

    **Raises** ``EditError`` for a matrix of another shape than the model's.
    """
    with metering() as meter:
        found = scorer(subject.model, subject.many if method == "automatic" else subject.contrast)
    cost = meter.passes
    matrix = _matrix(subject, method, found).abs().nan_to_num(0.0)
    values, true = matrix[subject.judged].numpy(), subject.truth[subject.judged].numpy()
    sizes = curve_sizes(int(measure.all.sum()))
    curve = measure.fraction([top(subject.model.anatomy, matrix, size) for size in sizes])
    proposed = found.kept if isinstance(found, EdgeCircuit) else None
    return found, ZooScore(
        model=subject.name,
        method=method,
        kind=subject.kind,
        n_edges=len(values),
        n_true=int(true.sum()),
        auprc=ranking.auprc(values, true),
        precision=ranking.precision_at(values, true),
        worst_rank=ranking.worst_rank(values, true),
        auroc=ranking.auroc(values, true),
        log_cmd=log_mean(sizes, [abs(1 - f) for f in curve]),
        n_proposed=None if proposed is None else int(proposed.sum()),
        size_error=None if proposed is None else size_error(subject, proposed),
        forwards=cost.forwards,
        backwards=cost.backwards,
    )


def size_error(subject: Specimen, proposed: EdgeSet) -> int:
    """How many edges more (or, negative, fewer) a set has than the nearest right answer.

    Right are the whole truth, and each minimal sufficient set.
    """
    right = [subject.truth, *subject.sufficient]
    off = [int(proposed.sum()) - int(edges.sum()) for edges in right]
    return min(off, key=abs)


def calibrated(method: str, scorer: Scorer, tests: int) -> Calibration | None:
    """P-values of a method where nothing is to be found; None if it keeps no examples apart."""
    if method in INTEGRATED:
        scorer = _named(method, NULL_STEPS)
    model, contrast = null_questions(next(iter(NULLS.values())), tests=1)
    if not tests or not isinstance(scorer(model, contrast), EdgeScores):
        return None
    return calibrate(method, scorer, tests=tests)  # type: ignore[arg-type]


def _named(method: str, steps: int | None = None) -> Scorer:
    if method in SEARCHES:
        return partial(_searched, method)

    def score(model: Model, contrast: ContrastBatch) -> EdgeScores:
        return attribute_edges(model, contrast, method=method, steps=steps)  # type: ignore[arg-type]

    return score


def _searched(method: EdgeSearch, model: Model, contrast: ContrastBatch) -> EdgeCircuit:
    return discover_edges(
        model,
        contrast,
        method=method,
        scores=attribute_edges(model, contrast, method="slot-ig"),
        target=SEARCH_TARGET,
        budget=SEARCH_BUDGET,
        insist=True,
    )


def _matrix(subject: Specimen, method: str, found: _Found) -> Float[Tensor, "sender slot"]:
    """Scores of a method as one matrix."""
    if isinstance(found, EdgeScores):
        return found.matrix.double()
    if isinstance(found, EdgeCircuit):
        return found.scores.double()
    exists = subject.model.anatomy.edges
    matrix = torch.as_tensor(found).detach().cpu().double()
    if matrix.shape != exists.shape:
        raise EditError(
            f"{method} gave {tuple(matrix.shape)} for {subject.name}, whose edges are a matrix of "
            f"{tuple(exists.shape)} (senders, slots), as model.anatomy.edges."
        )
    return matrix
