"""What was asked of which model, written down so that the numbers can be made again."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from jaxtyping import Bool
from torch import Tensor

from pellucid.analysis.result import Question
from pellucid.model.model import Model
from pellucid.options import DTYPE
from pellucid.results.quoting import literal, python_call, python_list, shell_command
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
    contrasts = (contrast,) if isinstance(contrast, Contrast) else tuple(contrast)
    opened = _opened_by(model)
    texts = all(isinstance(value, str) for one in contrasts for value in one.to_dict().values())
    if len(contrasts) == 1 and texts and not settings and opened is not None:
        with suppress(ValueError):  # a word that no shell can be given
            return shell_command(["pellucid", "analyze", *_words(contrasts[0], opened)])
    question = _question(contrasts)
    options = [(name, _as_python(value)) for name, value in settings.items()]
    call = python_call("pellucid.analyze", [("", "model"), ("", question), *options])
    if opened is None:
        return call
    name = opened.pop("model")
    loaded = [("", literal(name)), *((key, literal(value)) for key, value in opened.items())]
    return f"import pellucid\n\nmodel = {python_call('pellucid.load', loaded)}\n{call}"


def _opened_by(model: Model) -> dict[str, str] | None:
    """The model's name and what was said on opening it; None for an object that somebody held."""
    origin = model.origin
    kind = getattr(origin, "kind", "object")
    if kind not in ("embedded", "hub", "folder", "gguf", "adapter"):
        return None
    found = {"model": model.name if kind in ("embedded", "hub") else str(origin.path or model.name)}
    if tokenizer := getattr(origin, "tokenizer", None):
        found["tokenizer"] = str(tokenizer)
    dtype, device = str(model.dtype).removeprefix("torch."), str(model.device)
    usual = {"dtype": DTYPE, "device": "cpu"}
    return found | {key: value for key, value in (("dtype", dtype), ("device", device))
                    if value != usual[key]}  # fmt: skip


def _words(contrast: Contrast, opened: Mapping[str, str]) -> Iterator[str]:
    """The arguments of a command; what begins with a dash is given as ``--name=value``."""
    named = {
        "prompt": contrast.clean,
        "corrupted": contrast.corrupted,
        "answer": contrast.answer,
        "foil": contrast.foil,
        **opened,
    }
    for name, value in named.items():
        text = str(value)
        if text.startswith("-"):
            yield f"--{name}={text}"
        elif name == "prompt":
            yield text
        else:
            yield from (f"--{name}", text)


def _question(contrasts: Sequence[Contrast]) -> str:
    """Contrasts as Python."""
    each = [
        python_call(
            "pellucid.Contrast",
            [(part, _as_python(value)) for part, value in one.to_dict().items()],
        )
        for one in contrasts
    ]
    return each[0] if len(each) == 1 else python_list(each)


def _as_python(value: object) -> str:
    """A value as it is called; a function by its name."""
    if isinstance(value, str):
        return literal(value)
    return str(getattr(value, "__name__", None) or repr(value))
