"""Sentences whose numbers come from a result, and keep the place that they came from.

A sentence is written as a template with places in it, ``"{over_heads.sufficiency:.2f} is left"``. A
place is a path of attributes and indices that begins at the result; what follows the colon is
Python's format. Nothing else can put a number into a sentence, so each can be traced.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, TypeAlias

Scalar: TypeAlias = float | int | str | bool | None


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What was put into a sentence: as shown, as it is, and the place in the result."""

    ref: str
    value: Scalar
    text: str


Sentence: TypeAlias = tuple[str | Quantity, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Sentences under a heading."""

    title: str
    sentences: tuple[Sentence, ...]


def say(result: Any, template: str) -> Sentence:
    """``template`` with its places filled from ``result``."""
    pieces: list[str | Quantity] = []
    for words, place, spec, _ in Formatter().parse(template):
        if words:
            pieces.append(words)
        if place is not None:
            value = at(result, place)
            raw = value if isinstance(value, Scalar) else str(value)
            pieces.append(Quantity(ref=place, value=raw, text=shown_as(value, spec or "")))
    return tuple(pieces)


def shown_as(value: Any, spec: str) -> str:
    """``value`` in Python's format; a number that is none (NaN) as "undefined" in its columns."""
    if isinstance(value, float) and math.isnan(value):
        width = re.match(r"[^\d.]*(\d*)", spec)
        return f"{'undefined':>{width.group(1) or 0}}" if width else "undefined"
    return format(value, spec)


def at(result: Any, place: str) -> Any:
    """The value at ``place``, as ``patches.effect.0.3`` or ``circuit.nodes.length``."""
    value = result
    for step in place.split("."):
        if step == "length":
            value = len(value)
        else:
            value = value[int(step)] if step.isdecimal() else getattr(value, step)
    return value.item() if hasattr(value, "item") else value


def section(result: Any, title: str, templates: Sequence[str]) -> Section:
    """A heading with the sentences of ``templates``."""
    return Section(title=title, sentences=tuple(say(result, one) for one in templates))


def plain(sentence: Sentence) -> str:
    """The sentence as text."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in sentence)
