"""What the commands share on the terminal: opening a model, progress, showing results."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.errors import ResultFileError
from pellucid.results.quoting import safely, shell_command

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pellucid.passes import Meter


def open_model(
    source: str,
    offline: bool,
    *,
    dtype: str | None = None,
    device: str | None = None,
    tokenizer: str | None = None,
) -> Any:
    """The model, with a line on stderr while it opens, and what should be known of it."""
    from rich.console import Console

    with Console(stderr=True).status(f"Opening {source}"):
        quieten()
        from pellucid.model.opening.load import load

        model = load(source, offline=offline, dtype=dtype, device=device, tokenizer=tokenizer)
    for note in model.notes:
        tell(f"Note: {note}", err=True)
    return model


def tell(text: object, *, err: bool = False) -> None:
    """Print, with everything that a terminal would act on shown by its escape."""
    typer.echo(safely(str(text)), err=err)


def typed() -> str:
    """This command, as it is typed in a POSIX shell."""
    return shell_command(["pellucid", *sys.argv[1:]])


def quieten() -> None:
    """Keep libraries' notices and progress bars off the terminal; errors still show."""
    import os

    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.getLogger("transformers").setLevel(logging.ERROR)
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


def deliver(result: Any, text: str, *, as_json: bool, out: str | None) -> None:
    """Print a result on stdout, as ``text`` or as JSON, and write it where ``--out`` says."""
    if as_json:
        typer.echo(result.to_json())
    else:
        tell(text)
    if out is not None:
        _write(result, Path(out))
        tell(f"Written to {out}", err=True)


def draw(plot: str | None, figure: "Callable[[], Figure]") -> None:
    """Write the figure where ``--plot`` says."""
    if plot is not None:
        from pellucid.figures.save import save

        save(figure(), plot)
        tell(f"Drawn to {plot}", err=True)


def show_behaviour(
    metric: str, clean: Any, corrupted: Any, preference: Any, *, as_json: bool
) -> None:
    """The metric on both prompts, and whether the model prefers the answer at all.

    Takes one value an example. Beside JSON it goes to stderr, where it is still seen.
    """
    from pellucid.analysis.wording import behaviour

    for line in behaviour(metric, clean.tolist(), corrupted.tolist(), preference.tolist()):
        tell(line, err=as_json)


def table_text(result: Any, column: str, top: int) -> str:
    """The rows of a result with the largest values of ``column``, either sign, and the cost."""
    frame = result.to_frame()
    best = frame.reindex(frame[column].abs().sort_values(ascending=False).index).head(top)
    shown = best[shown_columns(best, column)].astype(object)
    shown[column] = best[column].map("{:+z.4f}".format)
    listed = shown.where(shown.notna(), "").to_string(index=False)
    return f"{listed}\n{len(best)} of {len(frame)} rows. Cost: {result.passes}."


def shown_columns(frame: Any, column: str) -> list[str]:
    """Columns that hold something, the value last."""
    return [c for c in frame.columns if c == column or frame[c].notna().any()]


def _write(result: Any, path: Path) -> None:
    """Write ``.json`` or ``.csv`` by its ending, anything else as a saved result (a folder)."""
    if path.suffix not in (".json", ".csv"):
        result.save(path)
        return
    draft = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".json":
            draft.write_text(result.to_json(indent=1))
        else:
            result.to_frame().to_csv(draft, index=False)
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
        tell(f"{name:{width}}  {shown}")
