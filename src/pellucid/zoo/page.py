"""The zoo's results as a page of Markdown: one table of all methods, one for each."""

import math

import pandas as pd

from pellucid.arguments import checks_kinds
from pellucid.zoo.nulls import EXAMPLES, NOMINAL
from pellucid.zoo.result import ZooResult

INTRODUCTION = """# Edge methods on models whose circuit is known

Written by `pellucid zoo run --write`. Every model's truth is certified by enumeration
(`pellucid zoo certify`): each edge is cut alone, and every subset of those that matter is kept,
with the rest cut and with the rest in place. Names are `behaviour/corruption@variety`.

- *necessary*: mean AUPRC over the models where cutting edges one at a time shows the whole truth;
  *mean* and *minimum*: over all, OR and backup included.
- *precision*: among as many edges as are true. *extra*: edges to take beyond the true ones until
  all of them are found. *log-CMD*: mean of |1 - f| over the logarithm of the circuit's size, f
  measured; it is not 0 for a perfect ranking, because sizes below the truth cannot be faithful.
- *forwards*, *backwards*: mean number of passes a model.
- *size error*: of a search that ends with a set, how many edges it is off from the nearest right
  answer (the truth, or a minimal sufficient set), in size.
- *false discoveries*: how often anything is discovered in models without a circuit, over the
  nominal rate of {nominal:.0%} (Benjamini-Hochberg on p-values of symmetry about zero,
  {examples} examples)."""
_HEADS = {
    "method": "method", "behaviour": "behaviour", "models": "models", "necessary": "necessary",
    "mean": "mean", "minimum": "minimum", "at": "at", "precision": "precision", "extra": "extra",
    "auroc": "AUROC", "log_cmd": "log-CMD", "forwards": "forwards", "backwards": "backwards",
    "false_discoveries": "false discoveries", "size_error": "size error",
}  # fmt: skip
ROUND = {"extra": 1, "forwards": 0, "backwards": 0, "models": 0, "false_discoveries": 2}


@checks_kinds
def page(result: ZooResult) -> str:
    """The whole page."""
    summary = result.summary().dropna(axis=1, how="all")
    parts = [introduction(), "## All methods", _table(summary)]
    for method in summary.method:
        parts += [f"## {method}", result.notes.get(method, "")]
        parts.append(_table(result.by_behaviour(method)))
    return "\n\n".join(filter(None, parts)) + "\n"


def introduction() -> str:
    """What the columns mean."""
    return INTRODUCTION.format(nominal=NOMINAL, examples=EXAMPLES)


def _table(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table, numbers rounded by column."""
    lines = [[_HEADS[column] for column in frame.columns], ["---"] * len(frame.columns)]
    lines += [
        [
            _shown(value, ROUND.get(column, 3))
            for column, value in zip(frame.columns, row, strict=True)
        ]
        for row in frame.itertuples(index=False)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: object, digits: int) -> str:
    """A cell: text as it is, a number rounded, nothing for NaN."""
    if isinstance(value, str):
        return value
    number = float(value)  # type: ignore[arg-type]
    return "" if math.isnan(number) else f"{number:.{digits}f}"
