"""What the commands share: the question from arguments, opening, progress, showing results."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from pellucid.errors import ResultFileError, TokenError


@dataclass(frozen=True)
class Question:
    """The arguments that ask a question, checked before any model is opened.

    **Raises** ``typer.BadParameter`` (exit code 2) when one is missing or they contradict.
    """

    prompt_argument: str | None
    prompt_option: str | None
    given_answer: str | None
    given_foil: str | None
    corrupted: str | None

    def __post_init__(self) -> None:
        if (self.prompt_argument is None) == (self.prompt_option is None):
            raise typer.BadParameter("Give the prompt once: as PROMPT or with --prompt.")
        if self.given_answer is None or self.given_foil is None:
            missing = "--answer" if self.given_answer is None else "--foil"
            raise typer.BadParameter(f'{missing} is missing, as in {missing} " Mary".')
        if self.given_answer == self.given_foil:
            raise typer.BadParameter(f"--answer and --foil are both {self.given_answer!r}.")
        if not self.prompt.strip() or not self.answer or not self.foil:
            raise typer.BadParameter("Prompt, answer and foil must not be empty.")

    @property
    def prompt(self) -> str:
        """The prompt, however it was given."""
        return self.prompt_argument or self.prompt_option or ""

    @property
    def answer(self) -> str:
        """The continuation wanted."""
        return self.given_answer or ""

    @property
    def foil(self) -> str:
        """The continuation it is held against."""
        return self.given_foil or ""

    def contrast(self, model: Any) -> Any:
        """The contrast to measure; its corrupted prompt is made and judged if not given."""
        from pellucid.analysis.analyze import question_of

        asked = question_of(
            model, None, self.prompt, self.answer, self.foil, self.corrupted, "logit_diff"
        )
        if asked.how != "given":
            typer.echo(f"Corrupted prompt: {asked.contrast.corrupted!r} ({asked.how})", err=True)  # type: ignore[union-attr]
        return asked.contrast


def open_model(source: str, offline: bool) -> Any:
    """The model, with a line on stderr while it opens."""
    from rich.console import Console

    with Console(stderr=True).status(f"Opening {source}"):
        quieten()
        from pellucid.model.open import load

        return load(source, offline=offline)


def quieten() -> None:
    """Keep libraries' notices and progress bars off the terminal; errors still show."""
    import os

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


@contextmanager
def progress(title: str, *, total: int | None) -> Iterator[None]:
    """A bar on stderr that counts forwards; ``total`` is the most that may be needed."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from pellucid.passes import metering

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} forwards"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        with metering(lambda passes: bar.update(task, completed=passes.forwards)):
            yield


def check_out(out: str | None) -> None:
    """Refuse a place that cannot be written, before anything is run."""
    if out is None:
        return
    path = Path(out)
    if not out or path.suffix not in ("", ".json", ".csv"):
        raise typer.BadParameter(
            f"--out {out!r}: give a name ending in .json or .csv, or a folder."
        )
    if not path.resolve().parent.is_dir():
        raise typer.BadParameter(f"--out {out}: the folder {path.parent} does not exist.")
    if path.is_dir() and (path.suffix or not (path / "result.json").is_file()):
        raise typer.BadParameter(f"--out {out}: a folder of that name holds something else.")


def deliver(
    result: Any,
    table: Any,
    *,
    as_json: bool,
    out: str | None,
    column: str | None = None,
    top: int = 20,
) -> None:
    """Print a result on stdout and write it where ``--out`` says.

    ``column`` names the value by which a table is sorted; without it the result prints itself.
    """
    if as_json:
        typer.echo(result.to_json())
    elif column is None:
        typer.echo(str(result))
    else:
        frame = table.to_frame()
        best = frame.reindex(frame[column].abs().sort_values(ascending=False).index).head(top)
        shown = best[shown_columns(best, column)].astype(object)
        typer.echo(shown.where(shown.notna(), "").to_string(index=False))
        typer.echo(f"{len(best)} of {len(frame)} rows. Cost: {result.passes}.")
    if out is not None:
        write(result, table, Path(out))
        typer.echo(f"Written to {out}", err=True)


def shown_columns(frame: Any, column: str) -> list[str]:
    """Columns that hold something, the value last."""
    return [c for c in frame.columns if c == column or frame[c].notna().any()]


def write(result: Any, table: Any, path: Path) -> None:
    """Write ``.json`` or ``.csv`` by its ending, anything else as a saved result (a folder)."""
    if path.suffix not in (".json", ".csv"):
        result.save(path)
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".json":
            draft.write_text(result.to_json(indent=1))
        else:
            table.to_frame().to_csv(draft, index=False)
        draft.replace(path)
    except OSError as error:
        raise ResultFileError(f"Cannot write {path}: {error}.") from error
    finally:
        draft.unlink(missing_ok=True)


def show_mapping(values: Mapping[str, Any], as_json: bool) -> None:
    """Names and values, aligned; or JSON."""
    if as_json:
        typer.echo(json.dumps(dict(values), indent=1, default=str))
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
        typer.echo(f"{name:{width}}  {shown}")


def show_plan(
    model: Any,
    question: Question,
    method: str,
    *,
    over: Any,
    budget: int,
    random_sets: int,
    as_json: bool,
) -> None:
    """What an analysis would cost: passes by step, and time from one measured forward."""
    import time

    import torch

    from pellucid.attribution.nodes import STEPS
    from pellucid.circuit.circuit import replaceable
    from pellucid.circuit.discover import forwards_planned
    from pellucid.task.corrupt import candidates
    from pellucid.task.tokens import prompt_ids

    ids = prompt_ids(question.prompt, model.tokenizer, vocab_size=model.anatomy.d_vocab)
    limit = model.max_positions
    if limit is not None and len(ids) > limit:
        raise TokenError(f"The prompt has {len(ids)} tokens; the model reads at most {limit}.")
    proposed = (
        []
        if question.corrupted
        else candidates(model.tokenizer, question.prompt, question.answer, question.foil)
    )
    integrate = 0 if method == "atp" else sum(STEPS)
    steps = {
        "judge corrupted prompts": len(proposed) + bool(proposed),
        f"attribute by {method}": integrate,
        **forwards_planned(len(replaceable(model, over)), budget),
        "faithfulness and check of estimates": 30,
        "random sets": 2 * random_sets,
    }
    tokens = torch.tensor([ids], device=model.device)
    with torch.no_grad():
        model.module(input_ids=tokens)
        began = time.perf_counter()
        model.module(input_ids=tokens)
        one = time.perf_counter() - began
    total = sum(steps.values())
    show_mapping(
        {
            **steps,
            "forwards at most": total,
            "backwards at most": 1 + integrate,
            "seconds of one forward": round(one, 4),
            "seconds at most": round((total + 2 * integrate) * one, 1),
        },
        as_json,
    )
