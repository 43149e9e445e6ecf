"""Makes a notebook from a script in percent format, its outputs included.

1. The script is cut at lines that begin with ``# %%`` into cells of text and of code.
2. Every code cell runs in one namespace. What it prints, and a picture its last line gives, are
   its outputs.
3. The cells are written as ``.ipynb`` (format 4.5), with the script's name the other way round.

    python notebooks/make.py notebooks/ioi_walkthrough.py
"""

import ast
import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Cell:
    """One cell, without what it puts out."""

    kind: Literal["markdown", "code"]
    source: str


def cells_of(script: str) -> list[Cell]:
    """The cells of a script in percent format."""
    found = []
    for part in ("\n" + script).split("\n# %%")[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = (line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
            found.append(Cell("markdown", "\n".join(lines).strip()))
        else:
            found.append(Cell("code", body.strip()))
    return found


def run(cell: Cell, namespace: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a cell; what it printed, and the picture that its last expression gave."""
    tree = ast.parse(cell.source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append(
            {"output_type": "stream", "name": "stdout", "text": lines(printed.getvalue())}
        )
    if hasattr(value, "_repr_png_"):
        data = {"image/png": base64.b64encode(value._repr_png_()).decode()}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    return outputs


def lines(text: str) -> list[str]:
    """Text as notebooks keep it."""
    return text.splitlines(keepends=True)


def notebook(script: str) -> dict[str, Any]:
    """The notebook of a script, every cell run."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells: list[dict[str, Any]] = []
    for number, cell in enumerate(cells_of(script)):
        written = {"cell_type": cell.kind, "id": f"cell-{number}", "metadata": {}}
        written["source"] = lines(cell.source)
        if cell.kind == "code":
            written |= {"execution_count": len(cells) + 1, "outputs": run(cell, namespace)}
        cells.append(written)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def main(path: str) -> None:
    """Write the notebook beside the script; what the script itself writes is thrown away."""
    script = Path(path).resolve()
    with tempfile.TemporaryDirectory() as away:
        os.chdir(away)
        made = notebook(script.read_text())
        os.chdir(script.parent)
    script.with_suffix(".ipynb").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
