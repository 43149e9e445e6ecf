"""`pellucid attribute`, `patch` and `edges`: who matters, estimated or measured."""

import textwrap
from dataclasses import replace
from typing import Annotated, Any

import typer

from pellucid.cli.options import (
    Answer,
    AsJson,
    Corrupted,
    Device,
    Dtype,
    Foil,
    Method,
    MetricOption,
    ModelSource,
    Offline,
    Out,
    Plot,
    PromptArgument,
    PromptOption,
    Prompts,
    Top,
    ask,
    check_method,
    check_out,
    check_plot,
)
from pellucid.cli.terminal import deliver, draw, open_model, progress, show_behaviour, table_text
from pellucid.options import (
    DIRECTION,
    DTYPE,
    EDGE_METHOD,
    METRIC,
    MODEL,
    NODE_METHOD,
    PATCH_SITES,
    Direction,
    EdgeEstimate,
    PatchSites,
)


def attribute(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    metric: MetricOption = METRIC,
    method: Method = NODE_METHOD,
    top: Top = 20,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    offline: Offline = False,
) -> None:
    """Estimate how much every head and MLP matters."""
    check_out(out)
    check_plot(plot)
    check_method(method, metric)
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.attribution.nodes import attribute as run
    from pellucid.run.record import record

    with progress("Attributing") as meter:
        contrast = question.contrast(opened, metric)
        trace = record(opened, contrast, metric=metric)
        found = run(opened, contrast, method=method, metric=metric, trace=trace)
    result = replace(found, passes=meter.passes)
    measured = trace.metric_clean, trace.metric_corrupted, trace.preference
    show_behaviour(metric, *measured, as_json=as_json)
    deliver(result, table_text(result, "estimate", top), as_json=as_json, out=out)
    draw(plot, result.plot)


def patch(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    metric: MetricOption = METRIC,
    direction: Annotated[
        Direction, typer.Option("--direction", help="What is put where.")
    ] = DIRECTION,
    sites: Annotated[
        PatchSites,
        typer.Option("--sites", help="What is replaced, one at a time."),
    ] = PATCH_SITES,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Just this place, as L9H6; repeatable.")
    ] = None,
    each_position: Annotated[
        bool, typer.Option("--each-position", help="Replace one position at a time.")
    ] = False,
    top: Top = 20,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    offline: Offline = False,
) -> None:
    """Measure how much every head, MLP or stream matters, by replacing each."""
    check_out(out)
    check_plot(plot)
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.attribution.patch import patch as run

    with progress("Patching") as meter:
        contrast = question.contrast(opened, metric)
        found = run(
            opened,
            contrast,
            direction=direction,
            sites=sites,
            positions="each" if each_position else "all",
            only=only or None,
            metric=metric,
        )
    result = replace(found, passes=meter.passes)
    measured = result.metric_clean, result.metric_corrupted, result.preference
    show_behaviour(metric, *measured, as_json=as_json)
    deliver(result, table_text(result, "effect", top), as_json=as_json, out=out)
    draw(plot, lambda: result.plot(tokens=tokens_of(opened, contrast)))


def tokens_of(model: Any, contrast: Any) -> tuple[str, ...] | None:
    """The tokens of a single clean prompt, which name positions; None for several prompts."""
    from pellucid.lens.labels import token_labels
    from pellucid.run.question import encode
    from pellucid.task.contrast import ContrastBatch

    if len(ContrastBatch.of(contrast)) > 1:
        return None
    return token_labels(model.tokenizer, encode(model, contrast).clean[0].tolist())


def edges(
    prompt: PromptArgument = None,
    prompt_option: PromptOption = None,
    answer: Answer = None,
    foil: Foil = None,
    corrupted: Corrupted = None,
    prompts: Prompts = None,
    model: ModelSource = MODEL,
    dtype: Dtype = DTYPE,
    device: Device = None,
    metric: MetricOption = METRIC,
    method: Annotated[
        EdgeEstimate, typer.Option("--method", help="How edges are ranked; eap is the cheapest.")
    ] = EDGE_METHOD,
    steps: Annotated[
        int | None, typer.Option(min=1, help="For -ig methods; until complete if not given.")
    ] = None,
    top: Top = 20,
    as_json: AsJson = False,
    out: Out = None,
    plot: Plot = None,
    offline: Offline = False,
) -> None:
    """Estimate how much every edge between two parts matters."""
    check_out(out)
    check_plot(plot)
    if metric == "kl" and method in ("eap", "atp*", "relp"):
        raise typer.BadParameter(
            f"--metric kl is at its minimum on the clean prompt, where {method} takes its "
            "gradient. Add --method mask-ig."
        )
    if steps is not None and method not in ("eap-ig", "mask-ig", "slot-ig"):
        raise typer.BadParameter(f"--steps {steps}: only eap-ig, mask-ig and slot-ig take steps.")
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.attribution.edges.attribute import attribute_edges

    with progress("Scoring edges") as meter:
        contrast = question.contrast(opened, metric)
        found = attribute_edges(opened, contrast, method=method, metric=metric, steps=steps)
    result = replace(found, passes=meter.passes)
    text = "\n".join([table_text(result, "estimate", top), *textwrap.wrap(result.note, 80)])
    deliver(result, text, as_json=as_json, out=out)
    draw(plot, lambda: result.plot(top=top))
