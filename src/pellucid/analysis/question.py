"""From what was asked to a contrast: the corrupted prompt is made and judged if none was given."""

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.errors import BehaviourError, CorruptionError, TaskError
from pellucid.model.model import Model, opened
from pellucid.options import METRIC
from pellucid.run.answers import metrics_of
from pellucid.task.contrast import Contrast, ContrastBatch, Contrasts, plain_ids, spelling_hints
from pellucid.task.corrupt import Candidate, candidates, judge, judgings, most_changing
from pellucid.task.metrics import Metric

NO_ZERO = ("log_prob", "kl")
"""Metrics of which half cannot be lost, since they have no zero that means indifference."""


@dataclass(frozen=True)
class _Asked:
    """A contrast, and how its corrupted prompt came about."""

    contrast: Contrast | ContrastBatch
    how: str


def question_of(
    model: Model,
    contrast: Contrasts | None = None,
    *,
    prompt: str | Sequence[int] | None = None,
    answer: str | int | Sequence[int] | None = None,
    foil: str | int | Sequence[int] | None = None,
    corrupted: str | Sequence[int] | None = None,
    metric: str | Metric = METRIC,
) -> _Asked:
    """The contrast to analyse; its corrupted prompt is made and judged when it was not given.

    **Cost** none, or what ``forwards_to_judge`` says at most.
    **Raises** ``TaskError`` when something is missing, ``CorruptionError`` when nothing works.
    """
    opened(model)
    if contrast is not None:
        words = {"prompt": prompt, "answer": answer, "foil": foil, "corrupted": corrupted}
        if beside := [f"{name}=" for name, value in words.items() if value is not None]:
            raise TaskError(
                "Give a contrast, or prompt= with answer= and foil=, not both; beside the contrast "
                f"{', '.join(beside)} is given."
            )
        if isinstance(contrast, Contrast):
            return _Asked(contrast, "given")
        return _Asked(ContrastBatch.of(contrast), "given")
    given = {"prompt": prompt, "answer": answer, "foil": foil}
    missing = [f"{name}=" for name, value in given.items() if value is None]
    if missing or prompt is None or answer is None or foil is None:
        raise TaskError(
            f"Missing {', '.join(missing)}. Give a Contrast, or prompt=, answer= and foil=."
        )
    for name, value in given.items():
        plain_ids(value, name)
    if corrupted is not None:
        return _Asked(Contrast(prompt, corrupted, answer, foil), "given")
    try:
        chosen = best_candidate(model, candidates(model.tokenizer, prompt, answer, foil), metric)
    except CorruptionError as error:
        hints = spelling_hints(model.tokenizer, prompt, answer, foil)
        raise CorruptionError(" ".join([str(error), *hints])) from None
    at = ", ".join(str(position) for position in chosen.changed)
    return _Asked(chosen.contrast, f"made here: {chosen.how}, {chosen.what}, at position {at}")


def forwards_to_judge(
    model: Model,
    prompt: str | Sequence[int],
    answer: str | int | Sequence[int],
    foil: str | int | Sequence[int],
) -> int:
    """The most forwards that choosing a corrupted prompt takes, where none is given.

    **Cost** none.
    **Raises** ``TokenError`` for what the tokenizer does not know.
    """
    proposed = candidates(model.tokenizer, prompt, answer, foil)
    # Each judging runs the clean prompt too; where the answer is not preferred, all run again.
    return 2 * len(proposed) + judgings(proposed)


def best_candidate(model: Model, proposed: Sequence[Candidate], metric: str | Metric) -> Candidate:
    """The corrupted prompt to use, judged by running it.

    When the model does not prefer the answer at all, nothing can fall, and the one that moves the
    metric most is returned: the analysis will say that there is nothing to explain.
    """
    judged_by = "logit_diff" if metric in NO_ZERO else metric

    def measure(contrasts: Sequence[Contrast]) -> Sequence[tuple[float, float]]:
        return metrics_of(model, contrasts, judged_by)

    try:
        return judge(proposed, measure).best
    except BehaviourError:
        return most_changing(proposed, measure)
