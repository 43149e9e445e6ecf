"""The progress bar: one line on stderr for the outermost task, in terminals and notebooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pellucid.callbacks import Callback, Progress, watching

if TYPE_CHECKING:
    from rich import progress

_QUIET = 2.0
"""Seconds for which nothing is shown."""


@contextmanager
def showing_progress() -> Iterator[None]:
    """Show a bar on stderr for every call inside the block that takes more than two seconds.

    It says how much is done, and the time left where that is known. Nothing is shown where stderr
    is a file or a pipe.
    """
    with watching(Bar()):
        yield


class Bar(Callback):
    """A rich bar that is there while a task runs, ``after`` so many seconds."""

    def __init__(self, *, after: float = _QUIET) -> None:
        self._after = after
        self._names: list[str] = []
        self._shown: progress.Progress | None = None

    def on_start(self, progress: Progress) -> None:
        """Note what runs inside what."""
        self._names[progress.depth :] = [progress.what]
        if progress.depth == 0:
            self._show(progress)

    def on_step(self, progress: Progress) -> None:
        """Draw the outermost task."""
        if progress.depth == 0:
            self._show(progress)

    def on_end(self, progress: Progress, error: BaseException | None) -> None:
        """Take the bar away with the outermost task."""
        del self._names[progress.depth :]
        if progress.depth == 0 and self._shown is not None:
            self._shown.stop()
            self._shown = None

    def _show(self, progress: Progress) -> None:
        if self._shown is None:
            if progress.seconds < self._after:
                return
            self._shown = _begun(progress)
        left = "" if progress.left is None else f"about {_spoken(progress.left)} left"
        self._shown.update(
            self._shown.task_ids[0],
            description=": ".join(dict.fromkeys([self._names[0], self._names[-1]])),
            completed=progress.done,
            total=progress.total,
            left=left,
        )


def _begun(progress: Progress) -> "progress.Progress":
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    bar = RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:.0f}} {progress.unit}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        disable=not (console.is_terminal or console.is_jupyter),
    )
    bar.add_task(progress.what, total=progress.total, left="")
    bar.start()
    return bar


def _spoken(seconds: float) -> str:
    """``40 s``, ``12 min`` or ``3 h``: no digit that an estimate does not have."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"
