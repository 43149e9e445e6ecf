"""`pellucid dictionary`: sparse dictionaries, read and written as other libraries do."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.help import Group, add_command
from pellucid.cli.options import Offline
from pellucid.cli.terminal import tell
from pellucid.results.disk.places import demand_writable, place

dictionary = typer.Typer(
    cls=Group, help="Sparse dictionaries: their files, training and checks.", no_args_is_help=True
)
Source = Annotated[
    str, typer.Argument(help="A folder, a file or a published name.", show_default=False)
]
Layer = Annotated[int | None, option("One of several that are there.", min=0)]


@add_command(dictionary, "dictionary convert")
@expanded
def convert(
    source: Source,
    layer: Layer = None,
    hook_name: Annotated[str | None, option("Its place, where the files do not say it.")] = None,
    k: Annotated[int | None, option("Active latents, likewise.", min=1)] = None,
    format: Annotated[
        options.DictionaryFormat, option("What to write.")
    ] = options.DICTIONARY_FORMAT,
    out: Annotated[str | None, option("The new folder; nothing is written without.")] = None,
    offline: Offline = False,
) -> None:
    """Read a dictionary whatever layout it has, and write it as another library reads it."""
    if out is not None and (target := place(out)).exists():
        raise typer.BadParameter(f"--out {out}: {target} exists. Give the name of a new folder.")
    if out is not None:
        demand_writable(Path(place(out)))
    from pellucid.dictionary.read import read_dictionary

    found = read_dictionary(source, layer=layer, hook_name=hook_name, k=k, offline=offline)
    tell(f"{found}\nRead as {found.format or 'saved by Pellucid'}.")
    if out is not None:
        tell(f"Written to {found.export(out, format=format)}", err=True)
