"""What was asked of which model, written down so that the numbers can be made again."""

import shlex
from collections.abc import Mapping, Sequence

from jaxtyping import Bool
from torch import Tensor

from pellucid.analysis.result import Question
from pellucid.model.model import Model
from pellucid.run.answers import spell
from pellucid.run.record import Trace
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.metrics import Metric, by_example


def describe_question(
    model: Model,
    contrast: Contrast | ContrastBatch,
    how_corrupted: str,
    trace: Trace,
    metric: str | Metric,
) -> Question:
    """The question in words and tokens."""
    encoded = trace.encoded

    def lengths(real: Bool[Tensor, "row read"]) -> tuple[int, ...]:
        return tuple(by_example(real.float(), encoded).int().tolist())

    contrasts = [contrast] if isinstance(contrast, Contrast) else list(contrast)

    def words(value: str | int | Sequence[int]) -> str:
        if isinstance(value, str):
            return value
        ids = [value] if isinstance(value, int) else value
        return "".join(spell(model, i) for i in ids) if model.tokenizer else str(list(ids))

    return Question(
        clean=tuple(words(c.clean) for c in contrasts),
        corrupted=tuple(words(c.corrupted) for c in contrasts),
        answer=tuple(words(c.answer) for c in contrasts),
        foil=tuple(words(c.foil) for c in contrasts),
        clean_tokens=encoded.of_prompts(encoded.clean_labels),
        corrupted_tokens=encoded.of_prompts(encoded.corrupted_labels),
        answer_lengths=lengths(encoded.answers_real),
        foil_lengths=lengths(encoded.foils_real),
        how_corrupted=how_corrupted,
        metric=metric if isinstance(metric, str) else getattr(metric, "__name__", "custom"),
    )


def call_for(
    contrast: Contrast | ContrastBatch, model: Model, settings: Mapping[str, object]
) -> str:
    """What to type to ask the same again: a command line where one can, else a call.

    ``settings`` are the arguments that differ from the defaults.
    """
    if isinstance(contrast, ContrastBatch) and len(contrast) == 1:
        (contrast,) = contrast
    plain = isinstance(contrast, Contrast) and isinstance(contrast.clean, str)
    origin = getattr(model.origin, "kind", "object")
    if not plain or settings or origin not in ("embedded", "hub"):
        options = "".join(f", {name}={value!r}" for name, value in settings.items())
        return f"pellucid.analyze(model, {contrast if plain else 'contrast'}{options})"
    assert isinstance(contrast, Contrast)
    words: list[object] = [contrast.clean, "--corrupted", contrast.corrupted]
    words += ["--answer", contrast.answer, "--foil", contrast.foil, "--model", model.name]
    if tokenizer := getattr(model.origin, "tokenizer", None):
        words += ["--tokenizer", tokenizer]
    return shlex.join(["pellucid", "analyze", *map(str, words)])
