"""The progress bar: one line on stderr for what runs, in terminals and notebooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pellucid.callbacks import Callback, Progress, watching

if TYPE_CHECKING:
    from rich import progress

_QUIET = 2.0
"""Seconds for which nothing is shown."""
_CELLS = 12
"""Width of the bar, so that words and numbers beside it fit into 80 columns."""


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
        self._tasks: list[Progress] = []
        self._shown: progress.Progress | None = None

    def on_start(self, progress: Progress) -> None:
        """Note what runs inside what."""
        self._tasks[progress.depth :] = [progress]
        self._show()

    def on_step(self, progress: Progress) -> None:
        """Draw how far it is."""
        self._tasks[progress.depth : progress.depth + 1] = [progress]
        self._show()

    def on_end(self, progress: Progress, error: BaseException | None) -> None:
        """Take the bar away with the outermost task."""
        del self._tasks[progress.depth :]
        if progress.depth == 0 and self._shown is not None:
            self._shown.stop()
            self._shown = None

    def _show(self) -> None:
        """The outermost task of which it is known how much it is; else the outermost of all."""
        outermost, innermost = self._tasks[0], self._tasks[-1]
        told = next((task for task in self._tasks if task.total is not None), outermost)
        if self._shown is None:
            if max(task.seconds for task in self._tasks) < self._after:
                return
            self._shown = _begun(told)
        self._shown.update(
            self._shown.task_ids[0],
            description=": ".join(dict.fromkeys([outermost.what, innermost.what])),
            completed=told.done,
            total=told.total,
            count=_count(told),
            left=_left(told),
        )


def _count(told: Progress) -> str:
    """How much is done, of how much."""
    return f"{told.done}{'' if told.total is None else f' of {told.total}'} {told.unit}"


def _left(told: Progress) -> str:
    """The time left; of forwards only the most is known before they are run."""
    if told.left is None:
        return ""
    return f"{'at most' if told.unit == 'forwards' else 'about'} {_spoken(told.left)} left"


def _begun(progress: Progress) -> "progress.Progress":
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    console = Console(stderr=True)
    bar = RichProgress(
        TextColumn("{task.description}"),
        BarColumn(_CELLS),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        transient=True,
        disable=not (console.is_terminal or console.is_jupyter),
    )
    bar.add_task(progress.what, total=progress.total, count=_count(progress), left="")
    bar.start()
    return bar


def _spoken(seconds: float) -> str:
    """``40 s``, ``12 min`` or ``3 h``: no digit that an estimate does not have."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"
