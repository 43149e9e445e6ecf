"""The app in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def served(*arguments: str, **options: Any) -> Iterator[tuple[str, subprocess.Popen]]:
    """`pellucid app` running, with the address that is its first line."""
    command = [sys.executable, "-c", "from pellucid.cli.main import main; main()", "app"]
    process = subprocess.Popen(
        [*command, "--no-browser", "--offline", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
