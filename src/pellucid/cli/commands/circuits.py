"""`pellucid circuit`: the edges that carry a decision, found and measured."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from pellucid import options
from pellucid.cli.expand import expanded, option
from pellucid.cli.options import FigureOptions, MetricOption, ModelOptions, QuestionOptions, Top
from pellucid.cli.terminal import progress, table_text, tell

if TYPE_CHECKING:
    from pellucid.circuit.edges.circuit import EdgeCircuit
    from pellucid.circuit.edges.faithfulness import EdgeFaithfulness


@dataclass(frozen=True, kw_only=True)
class CircuitOptions(FigureOptions):
    """How a circuit is printed, written and drawn."""

    endings: ClassVar[Sequence[str]] = (*FigureOptions.endings, ".graphml", ".dot")

    out: Annotated[
        str | None, option("Also write .json, .csv, .graphml, .dot, a report or a folder.")
    ] = None

    def keep(self, result: Any) -> None:
        """Write the result where ``--out`` says, for another tool by its ending."""
        if self.out is None or not self.out.endswith((".graphml", ".dot")):
            super().keep(result)
            return
        result.export(self.out)
        tell(f"Written to {self.out}", err=True)


@expanded
def circuit(
    question: QuestionOptions,
    model: ModelOptions,
    metric: MetricOption = options.METRIC,
    ablation: Annotated[options.Ablation, option("What cut edges carry.")] = options.ABLATION,
    method: Annotated[options.EdgeSearch, option("How edges are chosen.")] = options.EDGE_SEARCH,
    size: Annotated[int | None, option("For top and greedy: edges to take.", min=0)] = None,
    tau: Annotated[float | None, option("For acdc: rise of the KL divergence, in nats.")] = None,
    target: Annotated[float, option("Sufficiency to reach, above 0 and up to 1.")] = options.TARGET,
    budget: Annotated[int, option("Forwards to spend.", min=3)] = options.EDGE_BUDGET,
    random_sets: Annotated[
        int, option("Random circuits measured beside it.", min=0)
    ] = options.RANDOM_SETS,
    seed: Annotated[int, option("For whatever is drawn at random.")] = options.SEED,
    top: Top = 20,
    *,
    output: CircuitOptions,
) -> None:
    """Find the edges that together carry a decision, and measure how faithful they are."""
    if not 0 < target <= 1:
        raise typer.BadParameter(f"--target {target}: give a number above 0 and up to 1.")
    if tau is not None and not (math.isfinite(tau) and tau >= 0):
        raise typer.BadParameter(f"--tau {tau}: give a number of nats, 0 or more.")
    for name, value, methods in (("size", size, ("top", "greedy")), ("tau", tau, ("acdc",))):
        if (value is None) == (method in methods):
            raise typer.BadParameter(f"--{name} goes with --method {' or '.join(methods)}.")
    asked = question.ask()
    opened = model.opened()
    from pellucid.circuit.edges.discover import discover_edges
    from pellucid.circuit.edges.faithfulness import edge_faithfulness

    measured = None
    with progress("Searching") as meter:
        contrast = asked.contrast(opened, metric)
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
    if len(result):
        output.draw(result, text, result.plot)
    else:
        output.show(result, text)


def circuit_text(found: "EdgeCircuit", measured: "EdgeFaithfulness | None", top: int) -> str:
    """The circuit, its strongest edges and what was measured, for a terminal of 80 columns."""
    lines = [str(found)]
    if measured is None:
        return "\n".join([*lines, f"Cost: {found.passes}."])
    lines += ["", table_text(found, "estimate", top).rpartition("\n")[0], ""]
    lines.append(f"Measured with every other edge cut ({measured.ablation} values)")
    if measured.undefined:
        shares = textwrap.wrap(f"shares are {measured.undefined}", 78)
        return "\n".join([*lines, *(f"  {line}" for line in shares), f"Cost: {found.passes}."])
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
