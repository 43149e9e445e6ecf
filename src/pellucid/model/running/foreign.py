"""Hooks and forwards that others have put on a model: they are obeyed, or refused by name.

1. They are found wherever PyTorch keeps them: on every module, before and after its forward and its
   backward, for all modules at once, and as a forward in the place of the class's own.
2. While there are some, every forward is of whole prompts: no late start, no shared prefix, no
   early stop, no gathered positions, for a hook may look at a position by its number.
3. Prompts ride in one call only while that gives each what it gets alone; a hook that edits one row
   of the batch is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.modules import module as for_all

from pellucid.model.running.changes import Changed, own_attribute
from pellucid.model.running.hooks import Hook, Instead

_TABLES = {
    "_forward_pre_hooks": "forward pre-hook",
    "_forward_hooks": "forward hook",
    "_backward_pre_hooks": "backward pre-hook",
    "_backward_hooks": "backward hook",
}
_LIBRARIES = ("torch", "transformers", "accelerate", "peft")
"""Whose hooks count no positions: they note outputs, move tensors or compute weights."""


@dataclass(frozen=True)
class ForeignHook:
    """One function that is not ours and runs when the model does."""

    kind: str
    where: str
    function: Any

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return f"the {self.kind} {name.rpartition('<locals>.')[2]} on {self.where}"


def foreign_hooks(module: nn.Module) -> tuple[ForeignHook, ...]:
    """Every hook and every replaced forward of ``module`` and its parts that is not ours.

    **Cost** a walk over the modules.
    """
    found = list(_for_all_modules())
    if any(map(_has_some, module.modules())):
        for name, part in module.named_modules():
            found += _on(part, name or "the model itself")
    return tuple(found)


def named(hooks: tuple[ForeignHook, ...]) -> str:
    """The first few of them, in words."""
    more = f" and {len(hooks) - 3} more" if len(hooks) > 3 else ""
    return ", ".join(map(str, hooks[:3])) + more


def _has_some(part: nn.Module) -> bool:
    own = vars(part)
    return "forward" in own or any(own.get(table) for table in _TABLES)


def _for_all_modules() -> Iterator[ForeignHook]:
    for table, kind in _TABLES.items():
        for function in getattr(for_all, f"_global{table}", {}).values():
            yield ForeignHook(kind, "all modules", function)


def _on(part: nn.Module, where: str) -> Iterator[ForeignHook]:
    for table, kind in _TABLES.items():
        for function in vars(part).get(table, {}).values():
            if _is_foreign(function):
                yield ForeignHook(kind, where, function)
    forward = vars(part).get("forward")
    while isinstance(forward, Instead):
        forward = forward.usual
    # accelerate's forward moves tensors between devices, whatever their lengths.
    known = getattr(forward, "__func__", None) is type(part).forward or hasattr(part, "_hf_hook")
    if forward is not None and not known:
        yield ForeignHook("forward", where, forward)


def _is_foreign(function: Any) -> bool:
    if isinstance(function, Hook):
        return function.standing
    home = getattr(getattr(function, "func", function), "__module__", None) or ""
    return home.split(".")[0] not in _LIBRARIES


def without_foreign(module: nn.Module) -> Changed:
    """A block in which hooks that others have put on modules do not run.

    Those for all modules at once, and replaced forwards, stay: what they do cannot be done without.
    """
    return Changed(
        own_attribute(part, table, type(hooks)((k, f) for k, f in hooks.items() if not foreign(f)))
        for part in module.modules()
        for table in _TABLES
        for hooks, foreign in [(vars(part).get(table, {}), _is_foreign)]
        if any(map(foreign, hooks.values()))
    )


def may_be_left_out(hook: ForeignHook) -> bool:
    """Whether ``without_foreign`` leaves it out."""
    return hook.kind != "forward" and hook.where != "all modules"
