"""Processes that write again and again, to be killed."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pellucid.results.disk.folders import FolderKind
from pellucid.results.disk.ours import WRITTEN_BY

OURS = f"{WRITTEN_BY}\n"
SIZE = 4000
"""Times that a number stands in a file."""


def held(folder: Path) -> tuple[str, ...] | None:
    """What the index of a pair names."""
    index = folder / "index"
    if not index.is_file() or not index.read_text().startswith("pair "):
        return None
    return ("index", f"data-{index.read_text().split()[1]}")


def left(file: Path) -> bool:
    """Whether a file's content is what its name says."""
    return file.name.startswith("data-") and file.read_text() == file.name[5:] * SIZE


PAIR = FolderKind(noun="pair", index="index", held=held, left=left)


def fill(draft: Path, text: str) -> None:
    """Two files that belong together."""
    (draft / f"data-{text}").write_text(text * SIZE)
    (draft / "index").write_text(f"pair {text}")


def contents(folder: Path) -> str:
    """What a whole pair holds."""
    while True:
        name = (folder / "index").read_text().removeprefix("pair ")
        try:
            assert (folder / f"data-{name}").read_text() == name * SIZE
        except FileNotFoundError:
            assert (folder / "index").read_text() != f"pair {name}"
        else:
            return name


FOLDER = """
import sys
from pellucid.results.disk import rename
from pellucid.results.disk.folders import replacing
from tests.results.disk.writers import PAIR, fill
if "plain" in sys.argv:
    rename._renameat2 = lambda: None
print("ready", flush=True)
for n in range(10**6):
    with replacing(sys.argv[1], PAIR) as draft:
        fill(draft, str(n))
"""
FILE = """
import sys
from pellucid.results.disk.files import write_file
from tests.results.disk.writers import OURS
print("ready", flush=True)
for n in range(10**6):
    write_file(sys.argv[1], OURS + str(n) * 100_000)
"""
GROWER = """
import sys, time
from pathlib import Path
from pellucid.results.disk.files import replace_file
from pellucid.results.disk.folders import growing
with growing(sys.argv[1], lambda draft: (draft / "count").exists()) as draft:
    count = draft / "count"
    print("ready", flush=True)
    for n in range(int(count.read_text()) if count.exists() else 0, 12):
        time.sleep(0.02)
        (draft / f"part-{n}").write_text(str(n))
        replace_file(count, str(n + 1).encode())
"""


def started(program: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process that has begun to write."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: "subprocess.Popen[str]", seconds: float) -> None:
    """End a process after a while, as the system does it."""
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def demand_whole_after_kills(
    program: str, target: Path, check: Callable[[], object], *arguments: str, count: int
) -> None:
    """Kill a writer of ``target`` at random moments: what stands there is whole each time."""
    rng = random.Random(0)
    for _ in range(count):
        kill(started(program, target, *arguments), rng.uniform(0, 0.03))
        check()


def whole_file(target: Path) -> None:
    """**Raises** ``AssertionError`` unless a file holds one number, as often as it should."""
    head, text = target.read_text().split("\n")
    size = len(text) // 100_000
    assert head + "\n" == OURS
    assert size
    assert text == text[:size] * 100_000
