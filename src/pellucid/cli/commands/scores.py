"""`pellucid attribute`, `patch` and `edges`: who matters, estimated or measured."""

import textwrap
from dataclasses import replace
from typing import Annotated, Any, get_args

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import (
    FigureOptions,
    MetricOption,
    ModelOptions,
    PartsOption,
    PromptOptions,
    QuestionOptions,
    RankOptions,
    Top,
)
from pellucid.cli.terminal import behaviour_text, progress, table_text


@expanded
def attribute(
    question: QuestionOptions,
    model: ModelOptions,
    rank: RankOptions,
    parts: PartsOption = None,
    top: Top = 20,
    *,
    output: FigureOptions,
) -> None:
    """Estimate how much every head and MLP matters."""
    rank.check()
    if parts is not None:
        demand_names("--parts", parts)
    asked = question.ask()
    opened = model.opened()
    from pellucid.attribution.nodes import attribute as run
    from pellucid.run.record import record

    metric = rank.metric
    with progress("Attributing") as meter:
        contrast = asked.contrast(opened, metric)
        both_points = rank.method == "atp-mask" and parts is None
        trace = record(opened, contrast, metric=metric, mixture=both_points)
        found = run(opened, contrast, method=rank.method, metric=metric, trace=trace, parts=parts)
    result = replace(found, passes=meter.passes)
    measured = trace.metric_clean, trace.metric_corrupted, trace.preference
    text = "\n".join([table_text(result, "estimate", top), *textwrap.wrap(result.account, 80)])
    output.draw(result, text, result.plot, behaviour_text(metric, *measured))


PatchSitesOption = Annotated[
    str,
    option(
        f"What is replaced, one at a time: {', '.join(get_args(options.PatchSites))}; or parts "
        "by name, as M3.neurons (all neurons of an MLP) or M3N310+M3N7."
    ),
]
OnlyOption = Annotated[
    list[str] | None, option("Just these places, as L9H6 or L9.heads; repeatable.")
]
EachPosition = Annotated[bool, option("Replace one position at a time.", "--each-position")]
RandomSource = Annotated[
    bool, option("Beside it, values of a prompt with random tokens.", "--random-source")
]


@expanded
def ablate(
    prompt: PromptOptions,
    model: ModelOptions,
    answer: Annotated[
        str | None, option('Continuation that is scored, as " Mary".', "--answer")
    ] = None,
    metric: Annotated[options.PlainMetric, option("What is measured.")] = options.PLAIN_METRIC,
    ablation: Annotated[
        options.PlainAblation, option("What parts are replaced with.")
    ] = options.PLAIN_ABLATION,
    noise_at: Annotated[
        list[int] | None, option("Column of a token with noise; repeatable. All but the first.")
    ] = None,
    sites: PatchSitesOption = options.PATCH_SITES,
    only: OnlyOption = None,
    each_position: EachPosition = False,
    random_source: RandomSource = False,
    seed: Annotated[int, option("Seed of noise and random tokens.")] = options.SEED,
    top: Top = 20,
    *,
    output: FigureOptions,
) -> None:
    """Measure how much one prompt's answer needs every head: no foil, no corrupted prompt."""
    if sites not in get_args(options.PatchSites):
        demand_names("--sites", sites)
    asked = prompt.only()
    if answer is None:
        raise typer.BadParameter('--answer is missing, as in --answer " Mary".')
    opened = model.opened()
    from pellucid.attribution.ablate import ablate as run

    with progress("Ablating"):
        found = run(
            opened,
            prompt.read_by(opened, asked),
            answer,
            sites=sites,
            positions="each" if each_position else "all",
            only=only or None,
            metric=metric,
            ablation=ablation,
            noise_at=noise_at or None,
            random_source=random_source,
            seed=seed,
        )
    likely = f"{metric} of {answer!r}: {float(found.metric_clean):+z.2f}"
    output.draw(found, table_text(found, "effect", top), found.plot, likely)


@expanded
def patch(
    question: QuestionOptions,
    model: ModelOptions,
    metric: MetricOption = options.METRIC,
    direction: Annotated[options.Direction, option("What is put where.")] = options.DIRECTION,
    sites: PatchSitesOption = options.PATCH_SITES,
    only: OnlyOption = None,
    each_position: EachPosition = False,
    ablation: Annotated[
        options.PatchAblation, option("What parts are replaced with, in noising.")
    ] = options.ABLATION,
    random_source: RandomSource = False,
    top: Top = 20,
    *,
    output: FigureOptions,
) -> None:
    """Measure how much every head, MLP, neuron or stream matters, by replacing each."""
    if sites not in get_args(options.PatchSites):
        demand_names("--sites", sites)
    if direction == "denoising" and (ablation != options.ABLATION or random_source):
        given = "--random-source" if random_source else f"--ablation {ablation}"
        raise typer.BadParameter(
            f"{given}: denoising puts clean values into the corrupted run. Leave out "
            "one of the two."
        )
    asked = question.ask()
    asked.check_ablation(ablation)
    opened = model.opened()
    from pellucid.attribution.patch import patch as run

    with progress("Patching") as meter:
        contrast = asked.contrast(opened, metric)
        found = run(
            opened,
            contrast,
            direction=direction,
            sites=sites,
            positions="each" if each_position else "all",
            only=only or None,
            metric=metric,
            ablation=ablation,
            random_source=random_source,
        )
    result = replace(found, passes=meter.passes)
    measured = result.metric_clean, result.metric_corrupted, result.preference
    text = table_text(result, "effect", top)
    output.draw(
        result,
        text,
        lambda: result.plot(tokens=tokens_of(opened, contrast)),
        behaviour_text(metric, *measured),
    )


def demand_names(option_name: str, names: str) -> None:
    """Refuse, before a model opens, what no part of any model is called."""
    from pellucid.model.parts import names_parts

    if not names_parts(names):
        raise typer.BadParameter(
            f"{option_name} {names!r}: name parts, as L9H6, M3.neurons or heads+M4."
        )


def tokens_of(model: Any, contrast: Any) -> tuple[str, ...] | None:
    """The tokens of a single clean prompt, which name positions; None for several prompts."""
    from pellucid.lens.labels import token_labels
    from pellucid.run.question import encode_contrast
    from pellucid.task.contrast import ContrastBatch

    if len(ContrastBatch.of(contrast)) > 1:
        return None
    return token_labels(model.tokenizer, encode_contrast(model, contrast).clean[0].tolist())


@expanded
def edges(
    question: QuestionOptions,
    model: ModelOptions,
    metric: MetricOption = options.METRIC,
    method: Annotated[
        options.EdgeEstimate,
        option("How edges are estimated; eap is the nearest to effects."),
    ] = options.EDGE_METHOD,
    steps: Annotated[
        int | None, option("For -ig methods; until complete if not given.", min=1)
    ] = None,
    top: Top = 20,
    *,
    output: FigureOptions,
) -> None:
    """Estimate how much every edge between two parts matters."""
    if metric == "kl" and method in ("eap", "atp*", "relp"):
        raise typer.BadParameter(
            f"--metric kl is at its minimum on the clean prompt, where {method} takes its "
            "gradient. Add --method mask-ig."
        )
    if steps is not None and method not in ("eap-ig", "mask-ig", "slot-ig"):
        raise typer.BadParameter(f"--steps {steps}: only eap-ig, mask-ig and slot-ig take steps.")
    asked = question.ask()
    opened = model.opened()
    from pellucid.attribution.edges.attribute import attribute_edges

    with progress("Scoring edges") as meter:
        contrast = asked.contrast(opened, metric)
        found = attribute_edges(opened, contrast, method=method, metric=metric, steps=steps)
    result = replace(found, passes=meter.passes)
    told = [line for said in (result.account, result.note) for line in textwrap.wrap(said, 80)]
    text = "\n".join([table_text(result, "estimate", top), *told])
    output.draw(result, text, lambda: result.plot(top=top))
