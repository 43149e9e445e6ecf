"""`pellucid dictionary`: sparse dictionaries read, written, trained and judged."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.help import Group, add_command
from pellucid.cli.options import ModelOptions, Offline, OutputOptions, checked
from pellucid.cli.terminal import progress, tell
from pellucid.results.disk.out import demand_out
from pellucid.results.disk.places import demand_writable, place

dictionary = typer.Typer(
    cls=Group, help="Sparse dictionaries: their files, training and checks.", no_args_is_help=True
)
Source = Annotated[
    str, typer.Argument(help="A folder, a file or a published name.", show_default=False)
]
Texts = Annotated[
    Path, typer.Argument(help="A .txt (one text a line) or .jsonl file.", show_default=False)
]
Layer = Annotated[int | None, option("One of several that are there.", min=0)]
HookName = Annotated[str | None, option("Its place, where the files do not say it.")]
ActiveLatents = Annotated[int | None, option("Active latents, where the files do not say.", min=1)]


@add_command(dictionary, "dictionary fit")
@expanded
def fit(
    texts: Texts,
    site: Annotated[str, option("The place that is read, as 'L12 resid_pre'.")],
    latents: Annotated[int, option("Directions.", min=1)],
    target_site: Annotated[
        str | None, option("For a transcoder: the place that is given back, as 'L12 mlp_out'.")
    ] = None,
    activation: Annotated[options.FitMethod, option("How it is made sparse.")] = options.FIT_METHOD,
    k: Annotated[int, option("Latents active at a token.", min=1)] = options.FIT_K,
    l1: Annotated[float, option("For relu, instead of k.", min=0)] = 0.0,
    epochs: Annotated[int, option("Passes over the texts.", min=1)] = options.FIT_EPOCHS,
    batch: Annotated[int, option("Tokens of a step.", min=1)] = options.FIT_BATCH,
    learning_rate: Annotated[float | None, option("The highest; by size if not given.")] = None,
    skip_positions: Annotated[
        int, option("First positions of each text to leave out.", min=0)
    ] = options.SKIP_POSITIONS,
    seed: Annotated[int, option("Of first weights and order.")] = options.SEED,
    folder: Annotated[
        str | None, option("Keep activations there, where memory does not hold them.")
    ] = None,
    out: Annotated[str | None, option("A folder for the dictionary.")] = None,
    *,
    model: ModelOptions,
) -> None:
    """Train a dictionary on what a model computes at one place for many texts.

    A training that was stopped goes on with the same call, if --out is given.
    """
    if out is not None:
        checked("--out", out, demand_out)
    opened = model.opened()
    from pellucid.dictionary.training.fit import fit_dictionary
    from pellucid.run.corpus.activations import activations

    sites = [site] if target_site is None else [site, target_site]
    with progress("Reading activations"):
        read = activations(opened, texts, sites, folder=folder, too_long="truncate")
    target = None if target_site is None else read
    with progress("Training"):
        found = fit_dictionary(
            read, latents, target=target, activation=activation, k=k, site=site,
            target_site=target_site, l1=l1, epochs=epochs, batch=batch,
            learning_rate=learning_rate, skip_positions=skip_positions, seed=seed, keep=out,
        )  # fmt: skip
    tell(str(found))
    if out is not None:
        tell(f"Written to {found.save(out)}", err=True)


@add_command(dictionary, "dictionary evaluate")
@expanded
def evaluate(
    source: Source,
    texts: Texts,
    layer: Layer = None,
    hook_name: HookName = None,
    k: ActiveLatents = None,
    skip_positions: Annotated[
        int, option("First positions of each text to leave out.", min=0)
    ] = options.SKIP_POSITIONS,
    seed: Annotated[int, option("Of the random dictionary.")] = options.SEED,
    *,
    model: ModelOptions,
    output: OutputOptions,
) -> None:
    """Say what a dictionary explains, and how the model does with it in its place."""
    from pellucid.dictionary.read import read_dictionary
    from pellucid.features.evaluate import evaluate_dictionary

    read = read_dictionary(source, layer=layer, hook_name=hook_name, k=k, offline=model.offline)
    opened = model.opened()
    with progress("Judging the dictionary"):
        found = evaluate_dictionary(opened, read, texts, skip_positions=skip_positions, seed=seed)
    output.show(found, str(found))


@add_command(dictionary, "dictionary convert")
@expanded
def convert(
    source: Source,
    layer: Layer = None,
    hook_name: HookName = None,
    k: ActiveLatents = None,
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
