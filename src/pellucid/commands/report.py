"""`pellucid report`: a saved result as one HTML file or as Markdown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.errors import ResultFileError

if TYPE_CHECKING:
    from pellucid.results import Result

WAYS = {".html": "to_html", ".md": "to_markdown"}


def report(
    result: Annotated[Path, typer.Argument(help="A folder that --out or save() wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write: .html or .md.")],
) -> None:
    """Write a saved result as a report that needs no network to be read."""
    if out.suffix not in WAYS:
        raise typer.BadParameter(
            f"{out}: reports are written as {' or '.join(WAYS)}. For a PDF, print the .html file "
            "from a browser.",
            param_hint="--out",
        )
    text = getattr(saved(result), WAYS[out.suffix])()
    draft = out.with_name(f".{out.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(out)
    except OSError as error:
        raise ResultFileError(f"Cannot write {out}: {error}.") from error
    finally:
        draft.unlink(missing_ok=True)
    typer.echo(f"Written to {out}", err=True)


def saved(place: Path) -> "Result":
    """The result in a folder, of whatever kind it is.

    **Raises** ``ResultFileError`` when there is none that can be read.
    """
    import pellucid

    file = place / "result.json"
    try:
        kind = json.loads(file.read_text(encoding="utf-8"))["type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultFileError(
            f"{place} is not a saved result: {error}. Give a folder, as "
            "`pellucid analyze ... --out NAME` writes when NAME has no ending."
        ) from error
    if kind not in pellucid.__all__ or not hasattr(getattr(pellucid, kind), "load"):
        raise ResultFileError(
            f"{place} holds the kind {kind!r}, which this version does not know. Upgrade pellucid."
        )
    return getattr(pellucid, kind).load(place)
