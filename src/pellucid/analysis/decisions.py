"""Decisions from a file, as one has them: prompt, answer and foil; corrupted prompts are made here.

Every row is judged by itself before anything is analysed, and those for which nothing works are
listed by their lines, with the reason of each.
"""

from collections.abc import Sequence
from pathlib import Path

from pellucid.analysis.question import question_of
from pellucid.arguments import checks_kinds
from pellucid.callbacks import long_task
from pellucid.errors import CorruptionError, TaskError
from pellucid.model.model import Model, opened
from pellucid.options import METRIC
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.metrics import Metric
from pellucid.task.metrics import metric as resolve_metric
from pellucid.task.prompt_file import DecisionRow, file_of_decisions, input_file


@checks_kinds
def read_decisions(
    model: Model, path: str | Path, *, metric: str | Metric = METRIC
) -> ContrastBatch:
    """The decisions of a .csv or .jsonl file as contrasts, each with a corrupted prompt.

    The file needs ``prompt`` (or ``clean``), ``answer`` and ``foil``. Where ``corrupted`` is empty
    or no column, a corrupted prompt is made and judged by running it, as ``analyze`` does for one.

    **Cost** for each row without ``corrupted`` 1 forward, and 1 or 2 a corrupted prompt that is
    judged.
    **Raises** ``TaskError`` for a file that cannot be read, and ``CorruptionError`` that lists
    every row for which no corrupted prompt works, or that this model cannot be asked.
    """
    opened(model)
    if metric != "kl":
        resolve_metric(metric)
    made = with_corrupted(model, file_of_decisions(path), metric)
    contrasts = tuple(contrast for contrast, _ in made)
    return ContrastBatch(contrasts, name=Path(path).stem, file=input_file(path))


def with_corrupted(
    model: Model, decisions: Sequence[DecisionRow], metric: str | Metric = METRIC
) -> list[tuple[Contrast, str]]:
    """Each decision as a contrast, and how its corrupted prompt came about ("given", say).

    **Cost** and **Raises** as ``read_decisions``.
    """
    found: list[tuple[Contrast, str]] = []
    wrong: list[str] = []
    with long_task("Judging corrupted prompts", total=len(decisions), unit="rows") as told:
        for one in decisions:
            try:
                found.append(_asked(model, one, metric))
            except TaskError as error:
                wrong.append(f"{one.where}: {error}")
            told.step()
    if wrong:
        raise CorruptionError(
            "\n".join(
                [
                    f"{len(wrong)} of {len(decisions)} rows cannot be asked:",
                    *wrong,
                    "Give these a prompt in the column corrupted, or take them out.",
                ]
            )
        )
    return found


def _asked(model: Model, one: DecisionRow, metric: str | Metric) -> tuple[Contrast, str]:
    """One decision as a contrast that the model can be asked, and how it was made."""
    made = question_of(
        model,
        prompt=one.prompt,
        answer=one.answer,
        foil=one.foil,
        corrupted=one.corrupted,
        metric=metric,
    )
    (contrast,) = ContrastBatch.of(made.contrast)
    contrast.resolve(
        model.tokenizer, max_positions=model.max_positions, vocab_size=model.anatomy.d_vocab
    )
    return contrast, made.how
