"""`pellucid circuit`: the edges that carry a decision, found and measured."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

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
    Plot,
    PromptArgument,
    PromptOption,
    Prompts,
    Top,
    ask,
    check_out,
    check_plot,
)
from pellucid.cli.terminal import deliver, draw, open_model, progress, table_text
from pellucid.options import (
    ABLATION,
    DTYPE,
    EDGE_BUDGET,
    EDGE_SEARCH,
    METRIC,
    MODEL,
    RANDOM_SETS,
    SEED,
    TARGET,
    Ablation,
    EdgeSearch,
)

if TYPE_CHECKING:
    from pellucid.circuit.edges.circuit import EdgeCircuit
    from pellucid.circuit.edges.faithfulness import EdgeFaithfulness


def circuit(
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
    ablation: Annotated[
        Ablation, typer.Option("--ablation", help="What cut edges carry.")
    ] = ABLATION,
    method: Annotated[
        EdgeSearch, typer.Option("--method", help="How edges are chosen.")
    ] = EDGE_SEARCH,
    size: Annotated[
        int | None, typer.Option("--size", min=0, help="For top and greedy: edges to take.")
    ] = None,
    tau: Annotated[
        float | None, typer.Option("--tau", help="For acdc: rise of the KL divergence, in nats.")
    ] = None,
    target: Annotated[
        float, typer.Option("--target", help="Sufficiency to reach, above 0 and up to 1.")
    ] = TARGET,
    budget: Annotated[
        int, typer.Option("--budget", min=3, help="Forwards to spend.")
    ] = EDGE_BUDGET,
    random_sets: Annotated[
        int, typer.Option("--random-sets", min=0, help="Random circuits measured beside it.")
    ] = RANDOM_SETS,
    seed: Annotated[int, typer.Option("--seed", help="For whatever is drawn at random.")] = SEED,
    top: Top = 20,
    as_json: AsJson = False,
    out: Annotated[
        str | None,
        typer.Option("--out", help="Also write a .json, .csv, .graphml, .dot or a folder."),
    ] = None,
    plot: Plot = None,
    offline: Offline = False,
) -> None:
    """Find the edges that together carry a decision, and measure how faithful they are."""
    check_plot(plot)
    check_out(out, (".json", ".csv", ".graphml", ".dot"))
    if not 0 < target <= 1:
        raise typer.BadParameter(f"--target {target}: give a number above 0 and up to 1.")
    if tau is not None and not (math.isfinite(tau) and tau >= 0):
        raise typer.BadParameter(f"--tau {tau}: give a number of nats, 0 or more.")
    for name, value, methods in (("size", size, ("top", "greedy")), ("tau", tau, ("acdc",))):
        if (value is None) == (method in methods):
            raise typer.BadParameter(f"--{name} goes with --method {' or '.join(methods)}.")
    question = ask(prompt, prompt_option, answer, foil, corrupted, prompts)
    opened = open_model(model, offline, dtype=dtype, device=device)
    from pellucid.circuit.edges.discover import discover_edges
    from pellucid.circuit.edges.faithfulness import edge_faithfulness

    measured = None
    with progress("Searching") as meter:
        contrast = question.contrast(opened, metric)
        found = discover_edges(
            opened,
            contrast,
            method=method,
            size=size,
            tau=tau,
            target=target,
            ablation=ablation,
            budget=budget,
            metric=metric,
            seed=seed,
        )
        if len(found):
            measured = edge_faithfulness(
                opened, contrast, found, ablation=ablation, metric=metric,
                random_sets=random_sets, seed=seed,
            )  # fmt: skip
    result = replace(found, passes=meter.passes)
    text = circuit_text(result, measured, top)
    if out is not None and out.endswith((".graphml", ".dot")):
        result.export(out)
        typer.echo(f"Written to {out}", err=True)
        out = None
    deliver(result, text, as_json=as_json, out=out)
    if len(result):
        draw(plot, result.plot)


def circuit_text(found: "EdgeCircuit", measured: "EdgeFaithfulness | None", top: int) -> str:
    """The circuit, its strongest edges and what was measured, for a terminal of 80 columns."""
    lines = [str(found)]
    if measured is None:
        return "\n".join([*lines, f"Cost: {found.passes}."])
    lines += ["", table_text(found, "estimate", top).rpartition("\n")[0], ""]
    lines.append(f"Measured with every other edge cut ({measured.ablation} values)")
    for row in measured.to_frame().dropna(subset="effect").to_dict("records"):
        ends = "" if math.isnan(row["low"]) else f"  [{row['low']:.3f}, {row['high']:.3f}]"
        lines.append(f"  {row['measure']:18} {row['effect']:+.3f}{ends}")
    for what, percentile in (
        ("random connected circuits of as many edges", measured.percentile_connected),
        ("random edges between the same layers", measured.percentile_like),
    ):
        if percentile is not None:
            lines.append(f"  more sufficient than {percentile:.0f} % of {what}")
    return "\n".join([*lines, f"Cost: {found.passes}."])
