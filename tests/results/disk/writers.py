"""Processes that write again and again, to be killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pellucid.results.disk.folders import FolderKind
from pellucid.results.disk.ours import WRITTEN_BY

OURS = f"<!-- {WRITTEN_BY} -->\n"
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


FOLDER = (
    """
from pellucid.results.disk import rename
from pellucid.results.disk.folders import replacing
from tests.results.disk.writers import PAIR, fill
if "plain" in sys.argv:
    rename._renameat2 = lambda: None
""",
    """
for n in range(10**6):
    with replacing(sys.argv[1], PAIR) as draft:
        fill(draft, str(n))
""",
)
FILE = (
    """
from pellucid.results.disk.files import write_file
from tests.results.disk.writers import OURS
""",
    """
for n in range(10**6):
    write_file(sys.argv[1], OURS + str(n) * 100_000)
""",
)
GROWER = (
    """
import time
from pathlib import Path
from pellucid.results.disk.files import replace_file
from pellucid.results.disk.folders import growing
""",
    """
with growing(sys.argv[1], lambda draft: (draft / "count").exists()) as draft:
    count = draft / "count"
    for n in range(int(count.read_text()) if count.exists() else 0, 12):
        time.sleep(0.02)
        (draft / f"part-{n}").write_text(str(n))
        replace_file(count, str(n + 1).encode())
""",
)
RESULT = (
    """
from dataclasses import replace
from pellucid import Result
""",
    """
found = Result.load(sys.argv[1])
for n in range(10**6):
    replace(found, steps=n + 1).save(sys.argv[1])
""",
)
NURSERY = """
import os
import sys
{setup}
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        exec({body!r})
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Nursery:
    """A process that has imported what a writer needs, and forks one whenever it is asked."""

    def __init__(self, program: tuple[str, str], *arguments: object) -> None:
        setup, body = program
        code = NURSERY.format(setup=setup, body=body)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._read() == "ready"

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def killed_after(self, seconds: float | None) -> bool:
        """Whether a writer was killed after so many seconds, or by itself; else it ended well."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        writer = int(self._read())
        if seconds is not None:
            time.sleep(seconds)
            with suppress(ProcessLookupError):
                os.kill(writer, signal.SIGKILL)
        ended = int(self._read())
        assert ended in (0, -signal.SIGKILL)
        return ended != 0

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def demand_whole_after_kills(
    program: tuple[str, str],
    target: Path,
    check: Callable[[], object],
    *arguments: str,
    count: int,
) -> None:
    """Kill a writer of ``target`` at random moments: what stands there is whole each time."""
    rng = random.Random(0)
    with Nursery(program, target, *arguments) as nursery:
        for _ in range(count):
            assert nursery.killed_after(rng.uniform(0, 0.03))
            check()


def kills_until_done(nursery: Nursery, target: Path, most: float) -> int:
    """Kill a writer until it ends, after at most ``most`` seconds, and later each time."""
    rng = random.Random(3)
    kills = 0
    while not target.exists():
        kills += nursery.killed_after(rng.uniform(0.5, 1) * most * 1.2**kills)
    return kills


def whole_file(target: Path) -> None:
    """**Raises** ``AssertionError`` unless a file holds one number, as often as it should."""
    head, text = target.read_text().split("\n")
    size = len(text) // 100_000
    assert head + "\n" == OURS
    assert size
    assert text == text[:size] * 100_000
