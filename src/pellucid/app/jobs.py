"""Work for the model, one piece at a time, with progress, time left and a way to stop.

A job is stopped where it counts its next forward: the callback raises, and everything that
edits the model puts it back on the way out, as after any exception.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from queue import SimpleQueue
from typing import Any, Literal, TypeAlias

from pellucid.callbacks import Callback, Progress, counting_forwards, watching
from pellucid.errors import PellucidError

KEPT = 64
"""Finished jobs that are remembered."""
LONGEST_QUEUE = 50
"""Jobs that may wait."""
Event: TypeAlias = dict[str, Any]
Work: TypeAlias = Callable[[], Any]
State: TypeAlias = Literal["waiting", "running", "done", "failed", "cancelled"]


class FieldError(Exception):
    """What was wrong with one field of what was asked."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class QueueFullError(Exception):
    """So many jobs wait that no more are taken."""


class Cancelled(Exception):
    """The job was asked to stop; ``part`` is what there is of its result by then."""

    def __init__(self, part: Any = None) -> None:
        super().__init__("cancelled")
        self.part = part


@dataclass(eq=False)
class Job:
    """One piece of work and everything that happened to it so far."""

    id: str
    work: Work
    forwards: int
    """How many forwards it will take; 0 when that is not known."""
    kind: str = ""
    """What was asked, for those who wait behind it."""
    state: State = "waiting"
    events: list[Event] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    def tell(self, state: State, **more: Any) -> None:
        """Add an event; whoever follows the job will see it."""
        self.events.append({"event": state, **more})
        self.state = state


class Worker:
    """Runs jobs one after the other on a thread of its own."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._waiting: SimpleQueue[Job] = SimpleQueue()
        self._ids = count(1)
        threading.Thread(target=self._run_all, daemon=True, name="pellucid worker").start()

    def add(self, work: Work, *, forwards: int = 0, kind: str = "") -> Job:
        """Put work in the queue.

        **Raises** ``QueueFullError`` when ``LONGEST_QUEUE`` jobs wait already.
        """
        if sum(old.state == "waiting" for old in self.jobs.values()) >= LONGEST_QUEUE:
            raise QueueFullError(
                f"{LONGEST_QUEUE} questions wait already. Ask again when some are answered."
            )
        job = Job(id=str(next(self._ids)), work=work, forwards=forwards, kind=kind)
        finished = [old for old in self.jobs.values() if old.over]
        for old in finished[: max(0, len(finished) - KEPT)]:
            del self.jobs[old.id]
        self.jobs[job.id] = job
        self._waiting.put(job)
        return job

    def ahead(self, job: Job) -> list[str]:
        """The kinds of the jobs that come before this one, the running one first."""
        kinds = []
        for other in list(self.jobs.values()):
            if other is job:
                break
            if not other.over:
                kinds.append(other.kind)
        return kinds

    def _run_all(self) -> None:
        while True:
            _run(self._waiting.get())


class Following(Callback):
    """Turns the steps of a job into its events, and stops it where it was asked to stop."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def on_start(self, progress: Progress) -> None:
        """The job begins; what runs inside it is not told apart."""
        if progress.depth == 0:
            self._tell(progress)

    def on_step(self, progress: Progress) -> None:
        """More forwards are done."""
        if progress.depth == 0:
            self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        if self.job.stop.is_set():
            raise Cancelled
        left = None if progress.left is None else round(progress.left, 1)
        self.job.tell("running", forwards=progress.done, total=self.job.forwards, left=left)


def _done() -> None:
    """What is left to do of a job that was begun."""


def _run(job: Job) -> None:
    """Do the work; whatever happens becomes the job's last event."""
    begun = time.monotonic()
    work, job.work = job.work, _done  # It holds what was asked: a file of many megabytes, perhaps.
    try:
        with watching(Following(job)), counting_forwards("", total=job.forwards or None):
            result = work()
        job.tell("done", result=result, seconds=round(time.monotonic() - begun, 3))
    except Cancelled as cancelled:
        job.tell("cancelled", result=cancelled.part)
    except FieldError as error:
        job.tell("failed", field=error.field, message=str(error))
    except PellucidError as error:
        job.tell("failed", field=None, message=str(error))
    except Exception as error:  # The server goes on; the terminal shows where it happened.
        logging.getLogger(__name__).exception("a job failed")
        job.tell("failed", field=None, message=f"{type(error).__name__}: {error}")
