"""The options that commands share, and the question they ask, checked before a model opens."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.errors import ModelError
from pellucid.model.opening.placement import device_name
from pellucid.options import MODEL, Ablation, DtypeName, MetricName, NodeMethod

if TYPE_CHECKING:
    from pellucid.task.contrast import Contrast, ContrastBatch


def check_device(name: str | None) -> str | None:
    """Refuse what does not read like a device."""
    try:
        return device_name(name)
    except ModelError as error:
        raise typer.BadParameter(str(error)) from error


ModelSource = Annotated[str, typer.Option("--model", "-m", help="Name, folder or .gguf file.")]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="The same, as an option.")]
ModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="Name, folder or .gguf file.", show_default=MODEL),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never reach out to a hub.")]
Dtype = Annotated[DtypeName, typer.Option("--dtype", help="Number format of the weights.")]
Device = Annotated[
    str | None,
    typer.Option("--device", callback=check_device, help="As cpu or cuda:0; the CPU if not given."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Out = Annotated[str | None, typer.Option("--out", help="Also write a .json, .csv or a folder.")]
Plot = Annotated[str | None, typer.Option("--plot", help="Draw a figure: a .png or .svg.")]
PromptArgument = Annotated[str | None, typer.Argument(help="The prompt.", show_default=False)]
PromptOption = Annotated[str | None, typer.Option("--prompt", help="The prompt, as an option.")]
Answer = Annotated[
    str | None, typer.Option("--answer", "--correct", help='Continuation wanted, as " Mary".')
]
Foil = Annotated[
    str | None, typer.Option("--foil", "--incorrect", help="The continuation it is held against.")
]
Corrupted = Annotated[
    str | None, typer.Option("--corrupted", help="Prompt with another answer; made if not given.")
]
Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts", help="Many at once: a .csv or .jsonl file of clean, corrupted, answer, foil."
    ),
]
MetricOption = Annotated[MetricName, typer.Option("--metric", help="What is measured.")]
Method = Annotated[NodeMethod, typer.Option("--method", help="How nodes are ranked.")]
Top = Annotated[int, typer.Option(min=1, help="Rows to print.")]


@dataclass(frozen=True, kw_only=True)
class Question:
    """One prompt with an answer and a foil, or (``contrasts``) those of a file."""

    prompt: str = ""
    answer: str = ""
    foil: str = ""
    corrupted: str | None = None
    contrasts: "ContrastBatch | None" = None

    @property
    def asked(self) -> dict[str, Any]:
        """The question as ``analyze`` takes it."""
        if self.contrasts is not None:
            return {"contrast": self.contrasts}
        return {
            "prompt": self.prompt,
            "answer": self.answer,
            "foil": self.foil,
            "corrupted": self.corrupted,
        }

    def contrast(self, model: Any, metric: MetricName) -> "Contrast | ContrastBatch":
        """What to measure; a corrupted prompt is made and judged if none was given.

        What the reader should know about the wording goes to stderr.
        """
        from pellucid.analysis.question import question_of
        from pellucid.task.contrast import ContrastBatch

        found = question_of(model, metric=metric, **self.asked)
        if found.how != "given":
            (only,) = ContrastBatch.of(found.contrast)
            typer.echo(f"Corrupted prompt: {only.corrupted!r} ({found.how})", err=True)
        for note in ContrastBatch.of(found.contrast).notes(model.tokenizer):
            typer.echo(f"Note: {note}", err=True)
        return found.contrast


def ask(
    prompt_argument: str | None,
    prompt_option: str | None,
    answer: str | None,
    foil: str | None,
    corrupted: str | None,
    prompts: Path | None,
) -> Question:
    """The question that the arguments ask.

    **Raises** ``typer.BadParameter`` (exit code 2) when one is missing or they contradict, and
    ``TaskError`` for a file of prompts that cannot be used.
    """
    if prompts is not None:
        if any(x is not None for x in (prompt_argument, prompt_option, answer, foil, corrupted)):
            raise typer.BadParameter(
                "--prompts FILE holds whole questions; leave out the prompt, --answer, --foil and "
                "--corrupted."
            )
        from pellucid.task.prompt_file import read_prompts

        return Question(contrasts=read_prompts(prompts))
    prompt = one_prompt(prompt_argument, prompt_option, more="; or many with --prompts FILE")
    if answer is None or foil is None:
        missing = "--answer" if answer is None else "--foil"
        raise typer.BadParameter(f'{missing} is missing, as in {missing} " Mary".')
    if answer == foil:
        raise typer.BadParameter(f"--answer and --foil are both {answer!r}.")
    if not prompt.strip() or not answer or not foil:
        raise typer.BadParameter("Prompt, answer and foil must not be empty.")
    return Question(prompt=prompt, answer=answer, foil=foil, corrupted=corrupted)


def one_prompt(argument: str | None, option: str | None, *, more: str = "") -> str:
    """The prompt named; ``more`` says how else it could be."""
    if (argument is None) == (option is None):
        raise typer.BadParameter(f"Give the prompt once, as PROMPT or with --prompt{more}.")
    return argument if argument is not None else option or ""


def one_model(argument: str | None, option: str | None) -> str:
    """The model named, the embedded one if none was."""
    if argument is not None and option is not None:
        raise typer.BadParameter("Give the model once, as MODEL or with --model.")
    return argument or option or MODEL


def check_method(method: NodeMethod, metric: MetricName) -> None:
    """Refuse a method that cannot rank by the metric."""
    if method == "atp" and metric == "kl":
        raise typer.BadParameter(
            "--metric kl is at its minimum on the clean prompt, where atp takes its gradient. Add "
            "--method mask-ig."
        )


def check_ablation(ablation: Ablation, question: Question) -> None:
    """Refuse to resample from other prompts when there are none."""
    if ablation == "resample" and (question.contrasts is None or len(question.contrasts) < 2):
        raise typer.BadParameter(
            "--ablation resample takes values from other prompts: give several, with --prompts."
        )


def check_plot(plot: str | None) -> None:
    """Refuse a figure that cannot be written, before anything is run."""
    if plot is not None and Path(plot).suffix.lower() not in (".png", ".svg"):
        raise typer.BadParameter(f"--plot {plot!r}: give a name ending in .png or .svg.")
    if plot is not None and not Path(plot).resolve().parent.is_dir():
        raise typer.BadParameter(f"--plot {plot}: the folder {Path(plot).parent} does not exist.")


def check_out(out: str | None, endings: Sequence[str] = (".json", ".csv")) -> None:
    """Refuse a place that cannot be written, before anything is run."""
    if out is None:
        return
    path = Path(out)
    if not out or path.suffix not in ("", *endings):
        listed = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise typer.BadParameter(f"--out {out!r}: give a name ending in {listed}, or a folder.")
    if not path.resolve().parent.is_dir():
        raise typer.BadParameter(f"--out {out}: the folder {path.parent} does not exist.")
    if path.is_dir() and (path.suffix or not (path / "result.json").is_file()):
        raise typer.BadParameter(f"--out {out}: a folder of that name holds something else.")
