"""`pellucid report`: a saved result as one HTML file, as Markdown or as a PDF."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.expand import expanded, option
from pellucid.cli.options import checked
from pellucid.cli.reports import WAYS
from pellucid.cli.terminal import tell
from pellucid.results.disk.files import demand_file, write_file


@expanded
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
