"""A room imports only from floors below it, nothing imports itself by a detour, and importing the
package loads no model library.

Every import counts, also one inside a function or for a type checker alone: what is made needs no
name of what shows it. The one way up is by name, ``results/views.py``.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "pellucid"
FLOORS = {
    "options": 0, "arguments": 0, "keywords": 0, "errors": 0, "shapes": 0, "passes": 0,
    "callbacks": 0, "progress_bar": 0,
    "results": 0, "stats": 0, "figures": 0, "report": 0,
    "model": 1, "task": 1,
    "run": 2,
    "attribution": 3, "lens": 3, "dictionary": 3, "probing": 3,
    "circuit": 4, "features": 4, "steering": 4, "causal": 4,
    "analysis": 5, "zoo": 5,
    "studies": 6,
    "views": 7,
    "app": 8, "cli": 8,
    "__main__": 9,
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
        assert below or FLOORS[other] == FLOORS[room] in (0, 1, 8), f"{room} imports {other}"


def files_imported() -> dict[str, set[str]]:
    """For every module of ours, the modules of ours that it imports, wherever in it."""
    paths = {
        ".".join(("pellucid", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != PACKAGE / "__init__.py"  # its names come from every floor, when they are used
    }
    arrows: dict[str, set[str]] = {name: set() for name in paths}
    for name, path in paths.items():
        for node in ast.walk(ast.parse(path.read_text())):
            found: list[str] = []
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found = [f"{node.module}.{alias.name}" for alias in node.names]
                found = [one if one in paths else node.module for one in found]
            arrows[name] |= {one for one in found if one in paths and one != name}
    return arrows


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """What is left when whatever imports nothing, or is imported by nothing, is taken away."""
    left = {name: set(below) for name, below in arrows.items()}
    while True:
        imported = set().union(*left.values())
        ends = {name for name, below in left.items() if not below or name not in imported}
        if not ends:
            return [[name, *sorted(below)] for name, below in left.items()]
        left = {name: below - ends for name, below in left.items() if name not in ends}


@pytest.mark.parametrize("depth", [2, 3, 9], ids=["rooms", "rooms in rooms", "files"])
def test_no_import_leads_back_to_where_it_began(depth: int):
    arrows: dict[str, set[str]] = {}
    for name, below in files_imported().items():
        own = ".".join(name.split(".")[:depth])
        others = {".".join(other.split(".")[:depth]) for other in below} - {own}
        arrows.setdefault(own, set()).update(others)
    assert circles(arrows) == []


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"], ["c", "b"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_one_module_alone_names_the_room_that_shows_results():
    named = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if '"pellucid.views"' in path.read_text()
    ]
    assert named == ["results/views.py"]


SAME_NAMES_BY_DESIGN = ("cli.commands.", "figures.", "circuit.exchange.", "dictionary.formats.")
"""Commands are called like the calls they make, figures like what they draw, and every file format
has the same functions, or the same constant."""


def defined_names(path: Path) -> set[str]:
    """Public names that a file defines at its top, type variables apart."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_") and len(name) > 1}


def test_no_public_name_has_two_homes():
    homes: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
        if not module.startswith(SAME_NAMES_BY_DESIGN) and path.name != "__init__.py":
            for name in defined_names(path):
                homes.setdefault(name, []).append(module)
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_no_docstring_leans_on_its_neighbour():
    """Help and editors show a docstring alone, where "The same ..." says nothing."""
    leaning = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if re.search(r'"""The same\b', path.read_text())
    ]
    assert leaning == []


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
    assert set(drawn) - {"ValueError", "TypeError"} == defined
    assert defined <= set(pellucid.__all__)


def test_an_unknown_name_is_an_attribute_error():
    import pellucid

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pellucid.nonsense
