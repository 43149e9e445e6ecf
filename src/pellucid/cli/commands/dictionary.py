"""`pellucid dictionary`: sparse dictionaries read, written, trained, judged and attributed."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.help import Group, add_command
from pellucid.cli.options import ModelOptions, Offline, OutputOptions, QuestionOptions, checked
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


@add_command(dictionary, "dictionary attribute")
@expanded
def attribute(
    source: Source,
    question: QuestionOptions,
    layer: Layer = None,
    hook_name: HookName = None,
    k: ActiveLatents = None,
    top: Annotated[int, option("Latents to measure.", min=1)] = options.FEATURES_TOP,
    ablation: Annotated[
        options.FeatureAblation, option("What a latent is replaced by.")
    ] = options.FEATURE_ABLATION,
    error: Annotated[
        options.FeatureError, option("What is unexplained, meanwhile.")
    ] = options.FEATURE_ERROR,
    check: Annotated[
        options.FeatureCheck, option("Also estimate each measured latent on its own path.")
    ] = options.FEATURE_CHECK,
    seed: Annotated[int, option("Of the latents drawn beside.")] = options.SEED,
    *,
    model: ModelOptions,
    output: OutputOptions,
) -> None:
    """Say what a dictionary's latents do for an answer: shares, estimates, effects."""
    asked = question.ask()
    from pellucid.dictionary.read import read_dictionary
    from pellucid.features.attribute import attribute_features

    read = read_dictionary(source, layer=layer, hook_name=hook_name, k=k, offline=model.offline)
    opened = model.opened()
    with progress("Attributing features"):
        found = attribute_features(
            opened, asked.contrast(opened, "logit_diff"), read, top=top, ablation=ablation,
            error=error, check=check, seed=seed,
        )  # fmt: skip
    output.show(found, str(found))


@add_command(dictionary, "dictionary features")
@expanded
def features(
    source: Source,
    texts: Texts,
    latents: Annotated[list[int] | None, option("Of these; repeatable.", "--latent")] = None,
    layer: Layer = None,
    hook_name: HookName = None,
    k: ActiveLatents = None,
    top: Annotated[int, option("How many, if none is named.", min=1)] = options.LATENTS_TOP,
    examples: Annotated[int, option("Of each.", min=1)] = options.LATENT_EXAMPLES,
    skip_positions: Annotated[
        int, option("First positions of each text to leave out.", min=0)
    ] = options.SKIP_POSITIONS,
    *,
    model: ModelOptions,
    output: OutputOptions,
) -> None:
    """Show where latents are active, and which tokens they promote."""
    from pellucid.dictionary.read import read_dictionary
    from pellucid.features.table import describe_latents

    read = read_dictionary(source, layer=layer, hook_name=hook_name, k=k, offline=model.offline)
    opened = model.opened()
    with progress("Looking for examples"):
        found = describe_latents(
            opened, read, texts, latents=latents or None, top=top, examples=examples,
            skip_positions=skip_positions,
        )  # fmt: skip
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
    if out is not None and os.path.exists(target := place(out)):
        raise typer.BadParameter(f"--out {out}: {target} exists. Give the name of a new folder.")
    if out is not None:
        demand_writable(Path(place(out)))
    from pellucid.dictionary.read import read_dictionary

    found = read_dictionary(source, layer=layer, hook_name=hook_name, k=k, offline=offline)
    tell(f"{found}\nRead as {found.format or 'saved by Pellucid'}.")
    if out is not None:
        tell(f"Written to {found.export(out, format=format)}", err=True)
