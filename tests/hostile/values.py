"""Values of every kind that a caller may hand in by mistake, and which kinds a parameter takes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

HALF = st.builds(
    lambda before, half, after: f"{before}{half}{after}",
    st.text(max_size=4),
    st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF, categories=["Cs"]),
    st.text(max_size=4),
)
"""Text with half of a surrogate pair, which UTF-8 cannot write."""
LEAVES = st.none() | st.booleans() | st.floats() | st.binary(max_size=4)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "none": st.none(),
    "bool": st.booleans() | st.booleans().map(np.bool_),
    "whole": st.integers(-9, 9),
    "fraction": st.floats(0.001, 0.999) | st.floats(0.001, 0.999).map(np.float32),
    "nan": st.just(float("nan")) | st.just(np.float64("nan")),
    "complex": st.just(1j),
    "text": st.text("?!\u2028 ", min_size=1, max_size=6),
    "half": HALF,
    "path": st.just(Path("nowhere")),
    "bytes": st.binary(max_size=6) | st.binary(max_size=6).map(bytearray),
    "set": st.sets(st.binary(max_size=3), min_size=1, max_size=3),
    "dictionary": st.dictionaries(st.binary(max_size=2), LEAVES, min_size=1, max_size=3),
    "list": st.lists(LEAVES, min_size=1, max_size=4),
    "nested": st.integers(2, 2000).map(lambda depth: nested(depth)),
    "iterator": st.just(None).map(lambda _: iter([b"a"])),
    "function": st.just(len),
    "tensor": st.just(None).map(lambda _: torch.full((2, 2, 2), torch.nan)),
    "object": st.just(object()),
}


class Deep(list[Any]):
    """A list in a list, and so on; tools that print what failed are not to walk through it."""

    def __repr__(self) -> str:
        return "[[[...]]]"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def nested(depth: int) -> list[Any]:
    """A list in a list, and so on."""
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return Deep(made)


def wrong(*taken: str) -> st.SearchStrategy[Any]:
    """Values of all kinds but those ``taken``, which may be right."""
    return st.one_of([one for kind, one in KINDS.items() if kind not in taken])


CHOICE = wrong("none") | st.text(max_size=6)
OPTIONAL_CHOICE = CHOICE.filter(lambda value: value is not None)
WHOLE, OPTIONAL_WHOLE = wrong("whole"), wrong("whole", "none")
NUMBER = wrong("whole", "fraction")
FLAG = wrong("bool")
PROMPT = wrong("text", "none")
TEXT, OPTIONAL_TEXT = wrong("text"), wrong("text", "none")
LIST = wrong("none", "iterator")
OBJECT, OPTIONAL_OBJECT = wrong(), wrong("none")
PATH = wrong("text", "path")
