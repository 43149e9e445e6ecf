"""What a layout is: how it is told by its content, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary


@dataclass(frozen=True)
class Layout:
    """One layout in which dictionaries are published."""

    name: str
    holds: str
    """What it looks like, for whoever has something else."""
    fits: Callable[[Content], bool]
    read: Callable[[Content], Dictionary]


def places(content: Content, hook: str, *out: str) -> dict[str, Any]:
    """The fields ``hook_in`` and ``hooks_out``; what the caller says counts."""
    asked = content.asked.get("hook_name")
    if asked is not None and not out:
        return {"hook_in": asked, "hooks_out": (asked,)}
    return {"hook_in": asked or hook, "hooks_out": out or (hook,)}
