"""A room imports only from floors below it, and importing the package loads no model library."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "pellucid"
FLOORS = {
    "errors": 0, "shapes": 0, "passes": 0, "callbacks": 0, "progress_bar": 0,
    "results": 0, "stats": 0, "figures": 0, "report": 0,
    "model": 1, "task": 1,
    "run": 2,
    "attribution": 3, "lens": 3,
    "circuit": 4,
    "analysis": 5, "zoo": 5,
    "studies": 6,
    "app": 7, "cli": 7,
}  # fmt: skip


def imported(path: Path) -> set[str]:
    """Rooms of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("pellucid.")}
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_imports_go_down(path: Path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        pytest.skip("the package's own names come from every floor")
    for other in imported(path) - {room}:
        below = FLOORS[other] < FLOORS[room]
        assert below or FLOORS[other] == FLOORS[room] in (0, 1, 7), f"{room} imports {other}"


@pytest.mark.parametrize("module", ["pellucid", "pellucid.cli.main", "pellucid.progress_bar"])
def test_importing_loads_no_heavy_library(module: str):
    heavy = {"torch", "transformers", "matplotlib"}
    code = f"import sys, {module}; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_public_name_can_be_fetched():
    import pellucid

    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None
    # A subpackage of the same name would replace a function as soon as it is imported.
    assert not {path.name.removesuffix(".py") for path in PACKAGE.iterdir()} & set(pellucid.__all__)


def test_every_error_is_drawn_and_public():
    import pellucid
    from pellucid import errors

    drawn = re.findall(r"\w+Error", errors.__doc__.split("Each message")[0])
    defined = {name for name in vars(errors) if name.endswith("Error")}
    assert set(drawn) - {"ValueError"} == defined
    assert defined <= set(pellucid.__all__)


def test_an_unknown_name_is_an_attribute_error():
    import pellucid

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pellucid.nonsense
