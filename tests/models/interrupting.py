"""Interrupts at every moment at which something is changed on a model, and by a real signal."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Literal

from torch import nn

from pellucid.model.running import changes, hooks

CHANGING = [
    (nn.Module, "register_forward_hook"),
    (nn.Module, "register_forward_pre_hook"),
    *(
        (kind, name)
        for kind in (
            hooks.Hook,
            changes.Entry,
            changes.NotLearning,
            changes.Entered,
            changes.OutOfInferenceMode,
        )
        for name in ("make", "undo")
    ),
]
"""What registers, removes and sets."""


@contextmanager
def at_change(n: int, side: Literal["before", "after"]) -> Iterator[list[int]]:
    """Inside, ``KeyboardInterrupt`` once, before or after the ``n``-th change; yields the count."""
    usual = {(kind, name): getattr(kind, name) for kind, name in CHANGING}
    count = [0]

    def interrupting(own: Callable[..., Any]) -> Callable[..., Any]:
        def change(*args: Any, **kwargs: Any) -> Any:
            count[0] += 1
            now = count[0] == n
            if now and side == "before":
                raise KeyboardInterrupt
            made = own(*args, **kwargs)
            if now:
                raise KeyboardInterrupt
            return made

        return change

    try:
        for (kind, name), own in usual.items():
            setattr(kind, name, interrupting(own))
        yield count
    finally:
        for (kind, name), own in usual.items():
            setattr(kind, name, own)


@contextmanager
def at_line(n: int) -> Iterator[list[int]]:
    """Inside, ``KeyboardInterrupt`` once, in front of the ``n``-th line that changes models."""
    count = [0]

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in (changes.__file__, hooks.__file__):
            return None
        if event in ("call", "line"):
            count[0] += 1
            if count[0] == n:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


def interrupted(where: Any, call: Callable[[], Any]) -> bool:
    """Whether ``call`` was interrupted inside ``where``; else nothing is left to interrupt."""
    try:
        with where:
            call()
    except KeyboardInterrupt:
        return True
    return False


def interrupted_by_signal(seconds: float, call: Callable[[], Any]) -> bool:
    """Whether a Ctrl-C after ``seconds`` fell into ``call``."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        # A signal that comes too late must not reach whoever is next.
        try:
            timer.join()
            time.sleep(0.05)
        except KeyboardInterrupt:
            pass
    return False
