"""Whether what was made before is of these weights and this question: the one place that decides.

A recording says which weights it is of, and holds the tokens of its question; a result says both in
its provenance. They are compared as what the model ran on: the weights' hash, and ids of prompts,
answers and foils, so that neither padding nor the form in which a question is given makes a
difference. Where a result does not say how it was made, its own metric difference is compared with
that of the question.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, get_args

from jaxtyping import Float
from torch import Tensor

from pellucid.errors import Difference, MismatchError, TaskError
from pellucid.model.model import Model
from pellucid.options import MetricName
from pellucid.results.provenance import Provenance
from pellucid.run.question import digest_of, encode_contrast
from pellucid.run.record import Trace
from pellucid.task.contrast import Contrast, Contrasts
from pellucid.task.encode import Resolved
from pellucid.task.metrics import KL, Checked, Metric, Nearness
from pellucid.task.metrics import metric as resolve_metric
from pellucid.task.tokens import labels

PARTS = {
    "clean": "clean prompt",
    "corrupted": "corrupted prompt",
    "answer": "answer",
    "foil": "foil",
}
_SHOWN = 8
"""Tokens that are shown of a part that differs."""
_NEAR = 0.01
"""Relative difference up to which two metric differences are those of one question."""


class _Made(Protocol):
    """A result that says how it was made, where it is known."""

    @property
    def provenance(self) -> Provenance | None:
        """How it was made."""


class _Estimated(_Made, Protocol):
    """A result that was made from the metric difference of a question."""

    @property
    def difference(self) -> Float[Tensor, " example"]:
        """Metric on the clean minus metric on the corrupted prompt."""


def demand_trace_of(
    model: Model, contrast: Contrasts, trace: Trace, metric: str | Metric, what: str = "trace"
) -> None:
    """**Raises** ``MismatchError`` unless ``trace`` is of these weights, question and metric."""
    asked = encode_contrast(model, contrast).resolved
    refuse(what, [
        *weights_differ(model, trace.weights),
        *questions_differ(model, trace.encoded.resolved, asked),
        *metrics_differ(trace.metric, metric),
    ])  # fmt: skip


def demand_made_of(
    model: Model, contrast: Contrasts, made: _Made, what: str, *, metric: str | Metric | None = None
) -> None:
    """**Raises** ``MismatchError`` unless what ``made`` says of itself is of this question.

    Its metric is compared where one is given. What says nothing of itself passes.
    """
    said = made.provenance
    if said is None:
        return
    found = list(weights_differ(model, said.weight_hash)) if said.weight_hash else []
    if said.asked:
        found += _asked_differ(model, contrast, said)
    told = said.options.get("metric")
    if metric is not None and isinstance(told, str) and told != metric_name(metric):
        found.append(("metric", told, metric_name(metric)))
    refuse(what, found)


def demand_estimates_of(model: Model, contrast: Contrasts, made: _Estimated, trace: Trace) -> None:
    """**Raises** ``MismatchError`` unless estimates are of this question.

    They say so in their provenance, and by the metric difference that they were made from. The
    metric is that of ``trace``, a recording of the question.
    """
    what = type(made).__name__
    demand_made_of(model, contrast, made, what, metric=trace.metric)
    own, wanted = made.difference.double().cpu(), trace.difference.double().cpu()
    if own.shape != wanted.shape:
        refuse(what, [("number of contrasts", str(len(own)), str(len(wanted)))])
    said = made.provenance
    if said and said.weight_hash and said.asked and metric_name(trace.metric) in _NAMED:
        return
    scale = max(float(wanted.abs().max()), float(trace.metric_clean.abs().max()))
    if float((own - wanted).abs().max()) > _NEAR * scale:
        refuse(what, [("metric difference", _numbers(own), _numbers(wanted))])


def demand_alike(one: _Made, other: object, what: str, *, metric: str) -> None:
    """**Raises** ``MismatchError`` where ``other`` says that it is of other things than ``one``.

    ``metric`` is that in which ``other`` has to be.
    """
    expected, said = one.provenance, getattr(other, "provenance", None)
    if expected is None or not isinstance(said, Provenance):
        return
    told = (
        ("weights", said.weight_hash[:12], expected.weight_hash[:12]),
        ("question", said.asked[:12], expected.asked[:12]),
        ("metric", str(said.options.get("metric") or ""), metric),
    )
    refuse(what, [one for one in told if one[1] and one[2] and one[1] != one[2]])


def refuse(what: str, differences: Iterable[Difference]) -> None:
    """**Raises** ``MismatchError`` when there are ``differences``."""
    found = tuple(differences)
    if found:
        listed = "; ".join(f"{name}: found {one}, expected {other}" for name, one, other in found)
        raise MismatchError(
            f"The {what} given is of something else: {listed}. Make it of this question and these "
            f"weights, or leave it out{_ADVICE.get(what, '')}.",
            differences=found,
        )


_NAMED = get_args(MetricName)
_ADVICE = {
    "Circuit": "; to measure the same nodes here, give circuit.nodes",
    "EdgeCircuit": "; to measure the same edges here, give circuit.names",
}


def weights_differ(model: Model, found: str) -> Iterator[Difference]:
    """Whether ``found`` is the hash of other weights than the model has now."""
    if found != model.weight_hash:
        yield ("weights", found[:12], f"{model.weight_hash[:12]} ({model.name})")


def questions_differ(
    model: Model, found: Sequence[Resolved], expected: Sequence[Resolved]
) -> Iterator[Difference]:
    """The parts of the question that differ, each by the first contrast in which it does."""
    if len(found) != len(expected):
        yield ("number of contrasts", str(len(found)), str(len(expected)))
        return
    for part, called in PARTS.items():
        pairs = ((getattr(a, part), getattr(b, part)) for a, b in zip(found, expected, strict=True))
        first = next(((n, a, b) for n, (a, b) in enumerate(pairs) if a != b), None)
        if first is not None:
            number, one, other = first
            where = f" of contrast {number}" if len(found) > 1 else ""
            yield (f"{called}{where}", _told(model, one, other), _told(model, other, one))


def metrics_differ(found: Metric, expected: str | Metric) -> Iterator[Difference]:
    """Whether ``found`` is another metric than the one asked for."""
    if not same_metric(found, expected):
        yield ("metric", metric_name(found), metric_name(expected))


def same_metric(one: Metric, other: str | Metric) -> bool:
    """Whether ``one``, as a recording holds it, is the metric called or given as ``other``.

    "kl" is a distance from the question's own clean run, so one recording has only one.
    """
    if other == "kl":
        return isinstance(one, Nearness)
    wanted = resolve_metric(other) if not isinstance(other, Nearness) else other
    if isinstance(one, Checked) and isinstance(wanted, Checked):
        return one.function is wanted.function or one.function == wanted.function
    if isinstance(one, KL) and isinstance(wanted, KL):
        return one.reference.equal(wanted.reference)
    return one is wanted


def metric_name(metric: str | Metric) -> str:
    """Its name, as provenance has it."""
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def _asked_differ(model: Model, contrast: Contrasts, said: Provenance) -> list[Difference]:
    asked = encode_contrast(model, contrast).resolved
    if said.asked == digest_of(asked):
        return []
    found = list(questions_differ(model, _as_ids(model, said), asked))
    return found or [("token ids", said.asked[:12], digest_of(asked)[:12])]


def _as_ids(model: Model, said: Provenance) -> list[Resolved]:
    """The question of a result, as this model's tokenizer reads it; none where it cannot."""
    try:
        return [
            Contrast(*(one[part] for part in PARTS)).resolve(model.tokenizer)  # type: ignore[arg-type]
            for one in said.question
        ]
    except (TaskError, KeyError):
        return []


def _told(model: Model, ids: Sequence[int], other: Sequence[int]) -> str:
    """Ids as text, at most eight tokens where they begin to differ from others."""
    parts = next((n for n, pair in enumerate(zip(ids, other, strict=False)) if len({*pair}) > 1), 0)
    begin = max(0, min(parts - 3, len(ids) - _SHOWN))
    text = "".join(f" {i}" for i in ids[begin : begin + _SHOWN])
    if model.tokenizer is not None:
        text = repr("".join(labels(model.tokenizer, ids[begin : begin + _SHOWN])))
    before, behind = "... " if begin else "", " ..." if begin + _SHOWN < len(ids) else ""
    return f"{before}{text.strip()}{behind} ({len(ids)} tokens)"


def _numbers(values: Tensor) -> str:
    return ", ".join(f"{value:+.4g}" for value in values[:4].tolist())
