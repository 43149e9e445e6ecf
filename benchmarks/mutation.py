"""How many small errors the tests of a room see: a spot check of their teeth.

    python benchmarks/mutation.py --n 60 --seed 0

Flips one operator, comparison, constant or reduction at a time, at places of ``run/``,
``attribution/``, ``circuit/`` and ``stats/`` drawn at random, in a copy of ``src``, and runs the
tests of that room until the first fails: those that mirror the file first. An error at import and a
test that does not end count as caught. What survives is printed as a diff. A survivor costs all
tests of its room, so verdicts are kept in ``--work`` and not made again.
"""

import argparse
import ast
import difflib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from tempfile import gettempdir

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "pellucid"
ROOMS = ("run", "attribution", "circuit", "stats")
OPERATORS = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
CONSTANTS = {"0": "1", "1": "0", "True": "False", "False": "True"}
REDUCTIONS = {"min": "max", "max": "min", "mean": "sum", "sum": "mean", "any": "all", "all": "any"}
GUARDS = {"strict"}
"""Keywords whose value matters only where something is wrong already."""
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "stats/overlap.py",
        f"shared = np.arange({bound}, min(a, b) + 1)",
    ): "the least possible overlap or less: beyond it the hypergeometric weight is zero"
    for bound in ("min(0, a + b - out_of)", "max(0, a - b - out_of)")
}
"""Changes that change nothing, checked by hand: (file, line as changed) to the reason."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change: of a file below the package, at a line (from 0) and a byte of it."""

    file: str
    line: int
    column: int
    old: str
    new: str

    def apply(self, text: str) -> str:
        """The file with the change."""
        lines = text.encode().splitlines(keepends=True)
        line, after = lines[self.line], self.column + len(self.old)
        lines[self.line] = line[: self.column] + self.new.encode() + line[after:]
        return b"".join(lines).decode()

    def diff(self) -> str:
        """What is changed, as a patch."""
        text = (PACKAGE / self.file).read_text()
        before, after = (t.splitlines(keepends=True) for t in (text, self.apply(text)))
        return "".join(difflib.unified_diff(before, after, self.file, self.file, n=2))

    def key(self) -> str:
        """What a verdict is kept under: it holds for this text of the file."""
        text = (PACKAGE / self.file).read_text()
        return hashlib.sha256(self.apply(text).encode()).hexdigest()[:16]

    def reason(self) -> str | None:
        """Why it changes nothing, where that is known."""
        changed = self.apply((PACKAGE / self.file).read_text()).splitlines()[self.line]
        return EQUIVALENT.get((self.file, changed.strip()))


# 1. Every place in a function's body where something can be flipped.


def mutants() -> list[Mutant]:
    """Every change that can be made, in the order of files."""
    files = sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))
    return [one for path in files for one in in_file(path)]


def in_file(path: Path) -> Iterator[Mutant]:
    """The changes of one file. Defaults, annotations and texts are left alone: no test is wrong
    that does not hold them."""
    text = path.read_text()
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    file = path.relative_to(PACKAGE).as_posix()
    for first, last, old, new in spans(ast.parse(text)):
        inside = text.encode()[starts[first[0] - 1] + first[1] : starts[last[0] - 1] + last[1]]
        at = starts[first[0] - 1] + first[1] + inside.index(old.encode())
        row = next(i for i, start in enumerate(starts[1:]) if at < start)
        yield Mutant(file=file, line=row, column=at - starts[row], old=old, new=new)


Place = tuple[int, int]
Span = tuple[Place, Place, str, str]
"""From, to, what is between them, and what it becomes."""


def spans(tree: ast.AST) -> Iterator[Span]:
    """Where the old text is: between two operands, or a whole name or number."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    seen = {id(n): n for function in functions for part in function.body for n in running(part)}
    for node in seen.values():
        yield from flips(node)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """What is computed below a node, without annotations, texts and guards."""
    if isinstance(node, ast.JoinedStr | ast.FunctionDef):
        return
    if isinstance(node, ast.keyword) and node.arg in GUARDS:
        return
    yield node
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name != "annotation":
                yield from running(child)


def flips(node: ast.AST) -> Iterator[Span]:
    """What can be flipped at one node itself."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield (*between(node.left, node.right), *OPERATORS[type(node.op)])
    elif isinstance(node, ast.BoolOp):
        for left, right in pairwise(node.values):
            yield (*between(left, right), *OPERATORS[type(node.op)])
    elif isinstance(node, ast.Compare):
        for op, (left, right) in zip(
            node.ops, pairwise([node.left, *node.comparators]), strict=True
        ):
            yield (*between(left, right), *OPERATORS[type(op)])
    elif isinstance(node, ast.Constant) and repr(node.value) in CONSTANTS:
        yield (*ends(node), repr(node.value), CONSTANTS[repr(node.value)])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if name in REDUCTIONS:
            line, column = ends(node.func)[1]
            yield ((line, column - len(name)), (line, column), name, REDUCTIONS[name])


def ends(node: ast.expr) -> tuple[Place, Place]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)


def between(left: ast.expr, right: ast.expr) -> tuple[Place, Place]:
    return ends(left)[1], ends(right)[0]


# 2. The tests of a room against one change.


Verdict = dict[str, str | bool]
"""``caught``, and ``by`` what."""


def judged(mutant: Mutant, copy: Path, limit: float) -> Verdict:
    """Whether a test fails with the change, and which."""
    original = PACKAGE / mutant.file
    place = copy / "pellucid" / mutant.file
    place.write_text(mutant.apply(original.read_text()))
    try:
        return tested(mutant.file, copy, limit)
    finally:
        shutil.copy(original, place)


def tested(file: str, copy: Path, limit: float) -> Verdict:
    """The tests of a file's room with the sources of ``copy``, until one fails."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no",
             *(str(path.relative_to(ROOT)) for path in tests(file))],
            cwd=ROOT, timeout=limit, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1",
                 "PELLUCID_CHECK_SHAPES": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"caught": True, "by": f"not done after {limit:.0f} s"}
    said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return {"caught": done.returncode != 0, "by": said[0] if said else done.stdout[-200:]}


def tests(file: str) -> list[Path]:
    """The test files of a module's room: its own first, then those of its folder, then the rest."""
    module = ROOT / "tests" / file
    room = ROOT / "tests" / file.split("/")[0]

    def distance(path: Path) -> tuple[bool, bool, str]:
        return path.stem != f"test_{module.stem}", path.parent != module.parent, str(path)

    return sorted(room.rglob("test_*.py"), key=distance)


def digest(paths: list[Path]) -> str:
    """What these files hold, in short."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:16]


def main() -> int:
    """Draw, run, print; exit code 1 when less than nine in ten are caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=60, help="how many changes")
    parser.add_argument("--seed", type=int, default=0, help="which of all that there are")
    parser.add_argument("--workers", type=int, default=1, help="how many at a time")
    parser.add_argument("--limit", type=float, default=900, help="seconds for one change")
    parser.add_argument("--work", type=Path, default=Path(gettempdir()) / "pellucid-mutation")
    chosen = parser.parse_args()
    drawn = random.Random(chosen.seed).sample(mutants(), chosen.n)
    meant = [one for one in drawn if one.reason() is None]
    for one in drawn:
        if one not in meant:
            print(f"equivalent: {one.reason()}\n{one.diff()}")
    found = run_all(meant, chosen.work, chosen.workers, chosen.limit)
    caught = sum(verdict["caught"] is True for verdict in found)
    print(f"{caught} of {len(meant)} caught ({caught / len(meant):.0%}), "
          f"{len(drawn) - len(meant)} equivalent, seed {chosen.seed}")  # fmt: skip
    return int(caught < 0.9 * len(meant))


def run_all(meant: list[Mutant], work: Path, workers: int, limit: float) -> list[Verdict]:
    """A verdict for each, from the folder where it is known already."""
    work.mkdir(parents=True, exist_ok=True)
    copies: SimpleQueue[Path] = SimpleQueue()
    for i in range(workers):
        copy = work / f"src-{i}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ROOT / "src", copy)
        copies.put(copy)

    def judge(mutant: Mutant) -> Verdict:
        copy = copies.get()
        try:
            return known(mutant, copy, work, limit)
        finally:
            copies.put(copy)

    copy = copies.get()
    for room in sorted({mutant.file.split("/")[0] for mutant in meant}):
        unchanged = tested(f"{room}/__init__.py", copy, limit)
        if unchanged["caught"]:
            raise SystemExit(f"Without any change, tests of {room} fail: {unchanged['by']}")
    copies.put(copy)
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(judge, meant))


def known(mutant: Mutant, copy: Path, work: Path, limit: float) -> Verdict:
    """The verdict that is kept; a survivor is tried again once tests of its room have changed."""
    kept, against = work / f"{mutant.key()}.json", digest(tests(mutant.file))
    verdict: Verdict = json.loads(kept.read_text()) if kept.exists() else {}
    if not (verdict.get("caught") or verdict.get("tests") == against):
        verdict = {**judged(mutant, copy, limit), "tests": against}
        kept.write_text(json.dumps({**asdict(mutant), **verdict}))
    where = f"{mutant.file}:{mutant.line + 1}"
    print(f"caught   {where} {mutant.old} -> {mutant.new}: {verdict['by']}" if verdict["caught"]
          else f"SURVIVED {where}\n{mutant.diff()}", flush=True)  # fmt: skip
    return verdict


if __name__ == "__main__":
    sys.exit(main())
