"""Our hooks and forwards on a user's modules, known as ours by their type.

They act on the thread that made them; a forward of another waits (``changes.py``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any, Literal

from torch import nn

from pellucid.model.running.changes import (
    Changed,
    of_another_thread,
    own_attribute,
    stands,
    wait_for_turn,
    wait_under_way,
)


@dataclass(frozen=True, eq=False)
class Hook:
    """Ours: a function that runs before or after a module's forward.

    Before it is called with ``(module, args, kwargs)`` and may return both anew; after it with
    ``(module, args, kwargs, output)``, and may return another output.
    """

    module: nn.Module
    when: Literal["before", "after"]
    function: Callable[..., Any]
    first: bool = False
    """Before all other hooks of the module."""
    begins: bool = False
    """Whether a forward begins here, so that one that waits here has seen no change."""
    thread: int = field(default_factory=get_ident)
    standing: bool = False
    """Whether it stays while other calls run, which then take it for a hook of the user's."""

    def __call__(self, *given: Any) -> Any:
        """Run the function, or wait where this forward is another thread's."""
        if not of_another_thread(self.thread):
            return self.function(*given)
        if self.begins:
            wait_for_turn()
        else:
            wait_under_way()
        return None

    def make(self) -> None:
        """Register it."""
        if self.when == "before":
            self.module.register_forward_pre_hook(self, prepend=self.first, with_kwargs=True)
        else:
            self.module.register_forward_hook(self, prepend=self.first, with_kwargs=True)

    def undo(self) -> None:
        """Take it out of the module's hooks, also where registering it was not finished."""
        remove_hooks(self.module, lambda function: function is self)


def remove_hooks(module: nn.Module, which: Callable[[Any], bool]) -> None:
    """Take the forward hooks out of ``module`` whose function ``which`` says."""
    kinds: tuple[tuple[Any, tuple[Any, ...]], ...] = (
        (module._forward_pre_hooks, (module._forward_pre_hooks_with_kwargs,)),
        (
            module._forward_hooks,
            (module._forward_hooks_with_kwargs, module._forward_hooks_always_called),
        ),
    )
    for hooks, marks in kinds:
        for key in [key for key, function in hooks.items() if which(function)]:
            for mark in marks:
                mark.pop(key, None)
            del hooks[key]


def gate(module: nn.Module) -> Hook:
    """Where forwards of other threads that begin meanwhile wait."""
    return Hook(module, "before", lambda *given: None, first=True, begins=True)


def hook_before(module: nn.Module, function: Callable[..., Any], *, first: bool = False) -> Hook:
    """``function`` before the module's forward, in front of all other hooks if ``first``."""
    return Hook(module, "before", function, first)


def hook_after(module: nn.Module, function: Callable[..., Any]) -> Hook:
    """``function`` behind the module's forward."""
    return Hook(module, "after", function)


class Instead:
    """Ours: a forward in the place of a module's usual one, which other threads still run."""

    def __init__(self, module: nn.Module, function: Callable[..., Any]) -> None:
        self.usual, self.function, self.thread = module.forward, function, get_ident()
        self.change = own_attribute(module, "forward", self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function, or wait and run what is usual where this is another thread."""
        if of_another_thread(self.thread):
            wait_under_way()
            return self.usual(*args, **kwargs)
        return self.function(*args, **kwargs)


def overridden(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Changed:
    """A block in which modules run another forward; one of the user's own is put back."""
    return Changed(Instead(module, function).change for module, function in forwards.items())


def remove_strays(module: nn.Module) -> None:
    """Take off what is ours and stands in no block: what a copy of a model made in one brought."""
    for part in module.modules():
        if part._forward_hooks or part._forward_pre_hooks:
            remove_hooks(part, lambda f: isinstance(f, Hook) and not stands(f))
        forward = vars(part).get("forward")
        if isinstance(forward, Instead) and not stands(forward.change):
            del part.forward
