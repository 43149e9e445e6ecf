"""Makes a notebook from a script in percent format, run in Jupyter, its outputs included.

    python notebooks/make.py notebooks/ioi_walkthrough.py [made.ipynb]

jupytext reads the script, nbclient runs it in a new kernel, as Jupyter would, and the notebook is
written beside the script unless a path is given. What the script itself writes is thrown away, and
so are warnings, which tell of the machine.
"""

import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def cells_of(script: str) -> nbformat.NotebookNode:
    """The notebook of a script, no cell run; the same script gives the same bytes."""
    book = jupytext.reads(script, fmt="py:percent")
    book.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
    return book


def notebook(script: str) -> nbformat.NotebookNode:
    """The notebook of a script, every cell run in Jupyter."""
    book = cells_of(script)
    with tempfile.TemporaryDirectory() as away:
        NotebookClient(book, timeout=600, resources={"metadata": {"path": away}}).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # When each cell ran.
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return book


def main(script: str, made: str | None = None) -> None:
    """Run ``script`` and write its notebook."""
    target = Path(made) if made else Path(script).with_suffix(".ipynb")
    nbformat.write(notebook(Path(script).read_text()), target)


if __name__ == "__main__":
    main(*sys.argv[1:])
