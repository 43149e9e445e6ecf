"""What a reader has to hold: few written parameters, so that what belongs together is one value."""

import ast
from pathlib import Path

import pytest

import pellucid

PACKAGE = Path(pellucid.__file__).parent
PUBLIC, INTERNAL = 9, 6
DRAWING = "figures"
"""Functions of this room are called by users: they draw whatever they are given."""
EXCUSED = {
    "question_of": "the question of analyze in words, as its keywords are",
}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_function_takes_many_parameters(path: Path):
    room = path.relative_to(PACKAGE).parts[0]
    if room == "cli":
        pytest.skip("a command takes its options one by one")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in EXCUSED:
            allowed = PUBLIC if node.name in pellucid.__all__ or room == DRAWING else INTERNAL
            assert written(node.args) <= allowed, f"{path.name}: {node.name}"


def written(arguments: ast.arguments) -> int:
    """Parameters that stand in the definition, without self or cls."""
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    others = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return sum(one.arg not in ("self", "cls") for one in [*named, *others])
