"""`pellucid lens`, `dla`, `neurons` and `tokens`: what one question's parts write and read."""

from dataclasses import replace
from typing import Annotated, Literal

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import (
    FigureOptions,
    MetricOption,
    ModelOptions,
    PromptOptions,
    QuestionOptions,
)
from pellucid.cli.terminal import progress


@expanded
def lens(
    one: PromptOptions,
    target: Annotated[
        list[str] | None, option("A token to follow; two give their logit difference.")
    ] = None,
    against: Annotated[str | None, option("A second prompt of as many tokens.")] = None,
    position: Annotated[list[int] | None, option("Just this one, -1 the last; repeatable.")] = None,
    top: Annotated[int, option("Likeliest tokens to keep.", min=1)] = options.LENS_TOP,
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[
        options.LensView | None, option("What --plot draws: a grid by its colours, or lines.")
    ] = None,
) -> None:
    """Show what the model would say after every sublayer."""
    asked = one.only()
    if show in ("difference", "layers", "shifts") and len(target or ()) != 2:
        raise typer.BadParameter(f"--show {show} needs two tokens: --target twice.")
    if show == "kl" and against is None:
        raise typer.BadParameter("--show kl compares two prompts: add --against.")
    opened = model.opened()
    from pellucid.lens.residual.logit_lens import logit_lens

    with progress("Reading the stream"):
        result = logit_lens(
            opened,
            one.read_by(opened, asked),
            targets=target or None,
            against=against if against is None else one.read_by(opened, against),
            positions=position,
            top=top,
        )
    output.draw(result, str(result), lambda: result.plot(show))


@expanded
def dla(
    question: QuestionOptions,
    split: Annotated[
        options.DirectSplit, option("Heads by token attended to.")
    ] = options.DIRECT_SPLIT,
    against: Annotated[
        Literal["nothing", "patching"], option("Also measure every head, and compare.")
    ] = "nothing",
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[options.DirectView, option("What --plot draws.")] = options.DIRECT_VIEW,
) -> None:
    """Split the logit difference into what every part wrote (direct logit attribution).

    With --against patching the output is the comparison, and so is the figure.
    """
    if show == "sources" and split != "source":
        raise typer.BadParameter("--show sources needs --split source.")
    asked = question.ask()
    opened = model.opened()
    from pellucid.attribution.patch import patch
    from pellucid.lens.direct.direct_effects import direct_effects

    with progress("Splitting the logit difference") as meter:
        contrast = asked.contrast(opened, "logit_diff")
        found = direct_effects(opened, contrast, split=split)
        effects = patch(opened, contrast) if against == "patching" else None
    if effects is not None:
        compared = found.compare(effects)
        output.draw(compared, f"{compared}\nCost: {meter.passes}.", compared.plot)
        return
    result = replace(found, passes=meter.passes)
    output.draw(result, str(result), lambda: result.plot(show))


@expanded
def neurons(
    question: QuestionOptions,
    layer: Annotated[int, option("Whose MLP, from 0.", min=0)] = 0,
    top: Annotated[int, option("Neurons to show.", min=1)] = options.NEURONS_TOP,
    *,
    model: ModelOptions,
    output: FigureOptions,
) -> None:
    """Show the neurons of one MLP that write most towards answer or foil."""
    asked = question.ask()
    opened = model.opened()
    from pellucid.lens.direct.neurons import neurons as run

    with progress("Reading neurons") as meter:
        found = run(opened, asked.contrast(opened, "logit_diff"), layer, top=top)
    result = replace(found, passes=meter.passes)
    output.draw(result, str(result), result.plot)


@expanded
def tokens(
    question: QuestionOptions,
    method: Annotated[
        options.TokenMethod, option("Occlusion measures; gradient and ig estimate.")
    ] = options.TOKEN_METHOD,
    metric: MetricOption = options.METRIC,
    steps: Annotated[int | None, option("For ig.", min=1)] = None,
    replacement: Annotated[str | None, option("For occlusion: one token to put in.")] = None,
    seed: Annotated[int, option("Of the tokens that occlusion draws.")] = options.SEED,
    *,
    model: ModelOptions,
    output: FigureOptions,
    show: Annotated[options.TokensView, option("What --plot draws.")] = options.TOKENS_VIEW,
) -> None:
    """Say how much every token of the prompt matters."""
    if steps is not None and method != "ig":
        raise typer.BadParameter(f"--steps {steps}: only --method ig takes steps.")
    if replacement is not None and method != "occlusion":
        raise typer.BadParameter("--replacement is for --method occlusion.")
    if metric == "kl" and method == "gradient":
        raise typer.BadParameter("--metric kl has no gradient on the clean prompt; use ig.")
    asked = question.ask()
    opened = model.opened()
    from pellucid.lens.tokens.token_attribution import token_attribution

    with progress("Weighing tokens") as meter:
        found = token_attribution(
            opened,
            asked.contrast(opened, metric),
            method=method,
            metric=metric,
            steps=steps,
            replacement=replacement,
            seed=seed,
        )
    result = replace(found, passes=meter.passes)
    output.draw(result, str(result), lambda: result.plot(show))
