"""What is changed on a user's model while a block runs, and how it is put back, whatever happens.

1. Every change (a hook or another forward, ``hooks.py``, or a flag) is noted in one list before it
   is made.
2. A block undoes its own changes, and whatever a block inside it has left, when it is left. Undoing
   twice does no harm, so where an interrupt falls into it, it begins again.
3. Python may be interrupted between leaving a block and its first instruction. Then the block
   around it undoes the changes: around every public call there is one (``leaves_nothing``).
4. Should anything be left even so, the next call undoes it before it begins.

One thread at a time changes models. What is put on a module knows the thread that it is for: a
forward of another thread that begins meanwhile waits until the changes are gone. One that was under
way already waits where it meets a change, and ``MixedForwardWarning`` is given in its thread. A
forked child begins with models as they were, and a turn of its own.
"""

import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import wraps
from threading import get_ident
from typing import Any, ParamSpec, Protocol, TypeVar

import torch
from torch import nn

P = ParamSpec("P")
R = TypeVar("R")
_UNDO_TRIES = 100
"""How often undoing begins again; an interrupt is one, a change that cannot be undone all."""


class Undoable(Protocol):
    """Something that is made, and undone as often as one likes, also where it was never made."""

    def make(self) -> None:
        """Make it."""

    def undo(self) -> None:
        """Put back what was there."""


@dataclass
class _Turn:
    """Who changes models now, and what stands changed."""

    lock: Any = field(default_factory=threading.RLock)
    made: list[tuple[object, Undoable | None]] = field(default_factory=list)
    """The block and its change, in order; None where a block begins."""

    def taken(self) -> AbstractContextManager[Any]:
        """A block in which it is this thread's turn."""
        return nullcontext() if self.lock._is_owned() else self.lock

    def undo_from(self, block: object) -> None:
        """Undo the changes of ``block`` and all that were made after its first.

        What is raised meanwhile is raised when all is undone.
        """
        error: BaseException | None = None
        for _ in range(_UNDO_TRIES):
            try:
                self._undo_from(block)
                break
            except BaseException as raised:
                error = raised
        if error is not None:
            raise error

    def undo_all(self) -> None:
        """Undo what interrupted calls have left."""
        if self.made:
            self.undo_from(self.made[0][0])

    def _undo_from(self, block: object) -> None:
        first = next((i for i, (owner, _) in enumerate(self.made) if owner is block), None)
        while first is not None and len(self.made) > first:
            _, change = self.made[-1]
            if change is not None:
                change.undo()
            del self.made[-1]


_turn = _Turn()


class Changed(AbstractContextManager[None]):
    """A block in which ``changes`` stand; they are made one by one on entering."""

    def __init__(self, changes: Iterable[Undoable] = ()) -> None:
        self._changes = changes
        self._block = self._run()

    def __enter__(self) -> None:
        try:
            next(self._block)
        except BaseException:
            self._block.close()
            raise

    def __exit__(self, *raised: object) -> None:
        self._block.close()

    def _run(self) -> Generator[None, None, None]:
        turn = _turn
        outermost = not turn.lock._is_owned()
        with turn.taken():
            try:
                if outermost:
                    turn.undo_all()
                turn.made.append((self, None))
                for change in self._changes:
                    turn.made.append((self, change))
                    change.make()
                yield
            finally:
                turn.undo_from(self)


def leaves_nothing(call: Callable[P, R]) -> Callable[P, R]:
    """Function decorator: after the call, however it ends, every model is as it was before.

    Calls of several threads take turns.
    """

    @wraps(call)
    def clean(*args: P.args, **kwargs: P.kwargs) -> R:
        turn, block = _turn, Changed([GradMode()])
        outermost = not turn.lock._is_owned()
        with turn.taken():
            try:
                if outermost:
                    turn.undo_all()
                with block:
                    return call(*args, **kwargs)
            finally:
                turn.undo_from(block)

    return clean


class MixedForwardWarning(RuntimeWarning):
    """A forward of another thread was under way when a call changed the model for a while."""


def wait_for_turn() -> None:
    """Return when no other thread's changes stand."""
    with _turn.lock:
        pass


def wait_under_way() -> None:
    """Wait in the middle of a forward, of which a part has run already; it is said."""
    wait_for_turn()
    warnings.warn(
        "A forward of this model was under way in this thread when Pellucid began to run the model "
        "in another. It has waited, but parts of it may have run in evaluation mode, without "
        "gradients or with another attention kernel: run it again. Threads that share a model "
        "should take turns.",
        MixedForwardWarning,
        stacklevel=2,
    )


def of_another_thread(thread: int) -> bool:
    """Whether the running thread is another than ``thread``, and one that Python has started.

    Torch's own threads, in which gradients are computed, work for the thread that waits for them.
    """
    if get_ident() == thread:
        return False
    return not isinstance(threading.current_thread(), threading._DummyThread)


_ABSENT = object()


class Entry:
    """Another value in a table, such as an object's own attributes."""

    def __init__(self, table: MutableMapping[str, Any], key: str, value: Any) -> None:
        self.table, self.key, self.value = table, key, value
        self.before = table.get(key, _ABSENT)

    def make(self) -> None:
        """Set it."""
        self.table[self.key] = self.value

    def undo(self) -> None:
        """Set what was there, or take it away."""
        if self.before is _ABSENT:
            self.table.pop(self.key, None)
        else:
            self.table[self.key] = self.before


def own_attribute(owner: object, name: str, value: Any) -> Entry:
    """Another value of an object's own attribute."""
    return Entry(vars(owner), name, value)


@dataclass(frozen=True, eq=False)
class NotLearning:
    """A parameter of which no gradient is computed."""

    parameter: nn.Parameter

    def make(self) -> None:
        """Gradients off."""
        self.parameter.requires_grad_(False)

    def undo(self) -> None:
        """Gradients on again."""
        self.parameter.requires_grad_(True)


class GradMode:
    """No change in itself: puts back what torch says of gradients, which blocks inside change."""

    def __init__(self) -> None:
        self.before = torch.is_grad_enabled()

    def make(self) -> None:
        """Leave it."""

    def undo(self) -> None:
        """Set it as it was."""
        torch._C._set_grad_enabled(self.before)


@dataclass(frozen=True, eq=False)
class Entered:
    """Inside of a context that may be left twice, and without having been entered."""

    context: AbstractContextManager[Any]

    def make(self) -> None:
        """Enter it."""
        self.context.__enter__()

    def undo(self) -> None:
        """Leave it."""
        self.context.__exit__(None, None, None)


class OutOfInferenceMode:
    """Outside of inference mode, in which nothing can be differentiated."""

    def __init__(self) -> None:
        self._guard: Any = None

    def make(self) -> None:
        """Leave inference mode; that is what making torch's guard does."""
        self._guard = torch._C._InferenceMode(False)

    def undo(self) -> None:
        """Go back to what was before."""
        if self._guard is not None:
            self._guard.__exit__(None, None, None)


def stands(change: object) -> bool:
    """Whether a change was made in a block that has not been left."""
    return any(made is change for _, made in _turn.made)


def _begin_in_child() -> None:
    """Models as they were, and a turn that no thread of the parent holds."""
    global _turn
    left, _turn = _turn, _Turn()
    left.undo_all()


os.register_at_fork(after_in_child=_begin_in_child)
