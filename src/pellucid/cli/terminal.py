"""What the commands share on the terminal: opening a model, progress, showing results."""

import errno
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from pellucid.results.quoting import safely, shell_command

if TYPE_CHECKING:
    from pellucid.passes import Meter


class CannotPrintError(OSError):
    """Stdout cannot be written, because a disk is full, say."""


def open_model(
    source: str,
    offline: bool,
    *,
    dtype: str | None = None,
    device: str | None = None,
    tokenizer: str | None = None,
) -> Any:
    """The model, with a line on stderr while it opens, and what should be known of it."""
    with _opening(source):
        quieten()
        from pellucid.model.opening.load import load

        model = load(source, offline=offline, dtype=dtype, device=device, tokenizer=tokenizer)
    for note in model.notes:
        tell(f"Note: {note}", err=True)
    return model


@contextmanager
def _opening(source: str) -> Iterator[None]:
    """What is opened and for how long already, on a terminal; how long it takes is not known."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    words = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), words, TimeElapsedColumn())
    off = not (console.is_terminal or console.is_jupyter)
    with Progress(*columns, console=console, transient=True, disable=off) as shown:
        shown.add_task(f"Opening {safely(source)}", total=None)
        yield


def tell(text: object, *, err: bool = False) -> None:
    """Print, with everything that a terminal would act on shown by its escape.

    What stderr cannot take is lost, and ends nothing.

    **Raises** ``CannotPrintError``; where the reader has gone, typer ends the command quietly.
    """
    try:
        typer.echo(safely(str(text)), err=err)
    except OSError as error:
        if err:
            return
        if error.errno == errno.EPIPE:
            raise
        raise CannotPrintError(
            f"{error.strerror}. What was written to files is named above."
        ) from error


def tell_json(text: str) -> None:
    """Print JSON of ASCII characters. **Raises** as ``tell`` does."""
    tell(text.replace("\x7f", r"\u007f"))


def show(result: Any, text: str, *, as_json: bool) -> None:
    """Print a result, as ``text`` or as JSON. **Raises** as ``tell`` does."""
    if as_json:
        tell_json(result.to_json())
    else:
        tell(text)


def typed() -> str:
    """This command, as it is typed in a POSIX shell."""
    return shell_command(["pellucid", *sys.argv[1:]])


def quieten() -> None:
    """Keep libraries' notices and progress bars off the terminal; errors still show."""
    import os

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for name in ("transformers", "torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()


@contextmanager
def progress(title: str, *, total: int | None = None) -> Iterator["Meter"]:
    """A bar on stderr that counts forwards; ``total`` is the most that may be needed."""
    from pellucid.callbacks import counting_forwards, watching
    from pellucid.passes import metering
    from pellucid.progress_bar import Bar

    with watching(Bar(after=0)), counting_forwards(title, total=total), metering() as meter:
        yield meter


def behaviour_text(metric: str, clean: Any, corrupted: Any, preference: Any) -> str:
    """The metric on both prompts, and whether the model prefers the answer at all.

    Takes one value an example.
    """
    from pellucid.analysis.wording import behaviour

    return "\n".join(behaviour(metric, clean.tolist(), corrupted.tolist(), preference.tolist()))


def table_text(result: Any, column: str, top: int) -> str:
    """The rows of a result with the largest values of ``column``, either sign, and the cost.

    An effect that was measured beside an estimate stands for it.
    """
    frame = result.to_frame()
    values = list(dict.fromkeys([column, *({"effect"} & set(frame.columns))]))
    size = frame[values[-1]].fillna(frame[column]).abs()
    best = frame.reindex(size.sort_values(ascending=False).index).head(top)
    shown = best[shown_columns(best, column)].astype(object)
    for name in values:
        if name in shown:
            shown[name] = best[name].map("{:+z.4f}".format, na_action="ignore")
    listed = shown.where(shown.notna(), "").to_string(index=False)
    return f"{listed}\n{len(best)} of {len(frame)} rows. Cost: {result.passes}."


def shown_columns(frame: Any, column: str) -> list[str]:
    """Columns that hold something, the value last."""
    return [c for c in frame.columns if c == column or frame[c].notna().any()]


def show_mapping(values: Mapping[str, Any], as_json: bool) -> None:
    """Names and values, aligned; or JSON."""
    if as_json:
        tell_json(json.dumps(dict(values), indent=1, default=str))
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
        tell(f"{name:{width}}  {shown}")
