"""Sentences whose numbers come from a result, and keep the place that they came from.

A sentence is written as a template with places in it, ``"{over_heads.sufficiency:.2f} is left"``. A
place is a path of attributes and indices that begins at the result; what follows the colon is
Python's format. Nothing else can put a number into a sentence, so each can be traced.

Text of prompts stands in quotes as Python writes it, ``{question.clean.0!r}``; in no text is there
anything unseen (``quoting.py``).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any, TypeAlias

from pellucid.results.quoting import in_quotes, on_one_line, safely

Scalar: TypeAlias = float | int | str | bool | None
COMMANDS = ("pellucid ", "pellucid.", "import pellucid")
"""How what is typed or called begins."""


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
    for words, place, spec, conversion in Formatter().parse(template):
        if words:
            pieces.append(words)
        if place is not None:
            value = at(result, place)
            raw = value if isinstance(value, Scalar) else str(value)
            text = _text(value, spec or "", as_python=conversion == "r")
            pieces.append(Quantity(ref=place, value=raw, text=text))
    return tuple(pieces)


def shown_as(value: Any, spec: str) -> str:
    """``value`` in Python's format; a number that is none (NaN) as "undefined" in its columns."""
    if isinstance(value, float) and math.isnan(value):
        width = re.match(r"[^\d.]*(\d*)", spec)
        return f"{'undefined':>{width.group(1) or 0}}" if width else "undefined"
    return format(value, spec)


def _text(value: Any, spec: str, *, as_python: bool) -> str:
    """A value as text; only commands have several lines."""
    if as_python:
        return in_quotes(str(value))
    text = shown_as(value, spec)
    return safely(text) if is_command(text) else on_one_line(text)


def is_command(text: str) -> bool:
    """Whether a text is what is typed or called to make a result again."""
    return text.startswith(COMMANDS)


def command_in(sentence: Sentence) -> str | None:
    """The command that a sentence is, if it is nothing else."""
    (first, *more) = sentence or ("",)
    if more or isinstance(first, str) or not is_command(first.text):
        return None
    return first.text


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


def held_in(told: Section, field: str) -> Section:
    """A section about the result in ``field``, as one about the result that holds it."""
    rebased = (
        tuple(p if isinstance(p, str) else replace(p, ref=f"{field}.{p.ref}") for p in sentence)
        for sentence in told.sentences
    )
    return replace(told, sentences=tuple(rebased))


def plain(sentence: Sentence) -> str:
    """The sentence as text."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in sentence)
