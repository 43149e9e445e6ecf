"""`pellucid lens`, `dla`, `neurons` and `tokens`: what one question's parts write and read."""

from dataclasses import replace
from typing import Annotated, Literal

import typer

from pellucid.cli.options import (
    Answer,
    AsJson,
    Corrupted,
    Device,
    Dtype,
    Foil,
    MetricOption,
    ModelSource,
    Offline,
    Out,
    Plot,
    PromptArgument,
    PromptOption,
    Prompts,
    ask,
    check_out,
    check_plot,
    one_prompt,
)
from pellucid.cli.terminal import deliver, draw, open_model, progress
from pellucid.options import (
    DIRECT_SPLIT,
    DIRECT_VIEW,
    DTYPE,
    LENS_TOP,
    METRIC,
    MODEL,
    NEURONS_TOP,
    SEED,
    TOKEN_METHOD,
    TOKENS_VIEW,
    DirectSplit,
    DirectView,
    LensView,
    TokenMethod,
    TokensView,
)


def lens(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="A token to follow; two give their logit difference."),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="A second prompt of as many tokens.")
    ] = None,
    position: Annotated[
        list[int] | None,
        typer.Option("--position", help="Just this one, -1 the last; repeatable."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Likeliest tokens to keep.")] = LENS_TOP,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    show: Annotated[
        LensView | None,
        typer.Option("--show", help="What --plot draws: a grid by its colours, or lines."),
    ] = None,
    offline: Offline = False,
) -> None:
    """Show what the model would say after every sublayer."""
    check_out(out)
    check_plot(plot)
    asked = one_prompt(prompt, prompt_option)
    if show in ("difference", "layers") and len(target or ()) != 2:
        raise typer.BadParameter(f"--show {show} needs two tokens: --target twice.")
    if show == "kl" and against is None:
        raise typer.BadParameter("--show kl compares two prompts: add --against.")
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.lens.residual.logit_lens import logit_lens

    with progress("Reading the stream"):
        result = logit_lens(
            opened, asked, targets=target or None, against=against, positions=position, top=top
        )
    deliver(result, str(result), as_json=as_json, out=out)
    draw(plot, lambda: result.plot(show))


def dla(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    split: Annotated[
        DirectSplit, typer.Option("--split", help="Heads by token attended to.")
    ] = DIRECT_SPLIT,
    against: Annotated[
        Literal["nothing", "patching"],
        typer.Option("--against", help="Also measure every head, and compare."),
    ] = "nothing",
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    show: Annotated[DirectView, typer.Option("--show", help="What --plot draws.")] = DIRECT_VIEW,
    offline: Offline = False,
) -> None:
    """Split the logit difference into what every part wrote (direct logit attribution).

    With --against patching the output is the comparison, and so is the figure.
    """
    check_out(out)
    check_plot(plot)
    if show == "sources" and split != "source":
        raise typer.BadParameter("--show sources needs --split source.")
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.attribution.patch import patch
    from pellucid.lens.direct.direct_effects import direct_effects

    with progress("Splitting the logit difference") as meter:
        contrast = question.contrast(opened, "logit_diff")
        found = direct_effects(opened, contrast, split=split)
        effects = patch(opened, contrast) if against == "patching" else None
    if effects is not None:
        compared = found.compare(effects)
        deliver(compared, f"{compared}\nCost: {meter.passes}.", as_json=as_json, out=out)
        draw(plot, compared.plot)
        return
    result = replace(found, passes=meter.passes)
    deliver(result, str(result), as_json=as_json, out=out)
    draw(plot, lambda: result.plot(show))


def neurons(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    layer: Annotated[int, typer.Option("--layer", min=0, help="Whose MLP, from 0.")] = 0,
    top: Annotated[int, typer.Option(min=1, help="Neurons to show.")] = NEURONS_TOP,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    offline: Offline = False,
) -> None:
    """Show the neurons of one MLP that write most towards answer or foil."""
    check_out(out)
    check_plot(plot)
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.lens.direct.neurons import neurons as run

    with progress("Reading neurons") as meter:
        found = run(opened, question.contrast(opened, "logit_diff"), layer, top=top)
    result = replace(found, passes=meter.passes)
    deliver(result, str(result), as_json=as_json, out=out)
    draw(plot, result.plot)


def tokens(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    method: Annotated[
        TokenMethod,
        typer.Option("--method", help="Occlusion measures; gradient and ig estimate."),
    ] = TOKEN_METHOD,
    metric: MetricOption = METRIC,
    steps: Annotated[int | None, typer.Option(min=1, help="For ig.")] = None,
    replacement: Annotated[
        str | None, typer.Option("--replacement", help="For occlusion: one token to put in.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the tokens that occlusion draws.")] = SEED,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    show: Annotated[TokensView, typer.Option("--show", help="What --plot draws.")] = TOKENS_VIEW,
    offline: Offline = False,
) -> None:
    """Say how much every token of the prompt matters."""
    check_out(out)
    check_plot(plot)
    if steps is not None and method != "ig":
        raise typer.BadParameter(f"--steps {steps}: only --method ig takes steps.")
    if replacement is not None and method != "occlusion":
        raise typer.BadParameter("--replacement is for --method occlusion.")
    if metric == "kl" and method == "gradient":
        raise typer.BadParameter("--metric kl has no gradient on the clean prompt; use ig.")
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.lens.tokens.token_attribution import token_attribution

    with progress("Weighing tokens") as meter:
        found = token_attribution(
            opened,
            question.contrast(opened, metric),
            method=method,
            metric=metric,
            steps=steps,
            replacement=replacement,
            seed=seed,
        )
    result = replace(found, passes=meter.passes)
    deliver(result, str(result), as_json=as_json, out=out)
    draw(plot, lambda: result.plot(show))
