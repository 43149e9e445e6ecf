"""`pellucid report`: a saved result as one HTML file, as Markdown or as a PDF."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.expand import option
from pellucid.cli.options import checked
from pellucid.cli.terminal import tell
from pellucid.results.disk.files import demand_file, write_file

if TYPE_CHECKING:
    from pellucid.results.result import Result


def report(
    result: Annotated[
        Path, typer.Argument(help="A folder or .json file that --out, save() or to_json() wrote.")
    ],
    out: Annotated[Path, option("The file to write: .html, .md or .pdf.")],
) -> None:
    """Write a saved result as a report that needs no network to be read."""
    if out.suffix not in WAYS:
        raise typer.BadParameter(
            f"{out}: reports are written as {', '.join(WAYS)}.", param_hint="--out"
        )
    checked("--out", out, demand_file)
    from pellucid.results.result import Result

    write_file(out, WAYS[out.suffix](Result.load(result)))
    tell(f"Written to {out}", err=True)


def as_html(result: "Result") -> bytes:
    """One HTML file."""
    return result.to_html().encode()


def as_markdown(result: "Result") -> bytes:
    """Markdown."""
    return result.to_markdown().encode()


def as_pdf(result: "Result") -> bytes:
    """The HTML file, printed."""
    from pellucid.report.pdf import pdf

    return pdf(result)


WAYS: dict[str, Callable[["Result"], bytes]] = {
    ".html": as_html,
    ".md": as_markdown,
    ".pdf": as_pdf,
}
