"""Rows of prompts, wherever they come from, as the columns that a contrast has.

1. *Our own*: ``clean corrupted answer foil``, with ``group`` (what a prompt shares as a whole, such
   as its template) and fillers, a column ``filler_name`` for each place or an object ``fillers``.
2. *MIB's* (Mueller et al. 2025, arXiv:2504.13151): ``prompt choices answerKey`` and counterfactuals
   that are such rows themselves; the first one whose answer is another choice is the corrupted
   prompt. ``template`` is the group, ``metadata`` the fillers.
3. *EAP-IG's* (Hanna et al. 2024): ``clean corrupted correct_idx incorrect_idx``. Its numbers are
   tokens of the tokenizer that the file was made for, and say nothing here: the foil is read off
   the text, as the word of the prompt that is repeated and that the corrupted prompt replaces, and
   the answer is the one other name of the prompt. Rows that are not of that form cannot be used.
"""

import re
from collections.abc import Mapping
from typing import Any

from pellucid.errors import TaskError

FILLER_COLUMN = "filler_"
"""Columns that begin so hold fillers."""
RECOMPUTED = (
    "correct_idx and incorrect_idx are tokens of another tokenizer; answer and foil were read off "
    "the prompts instead"
)


def standard(cells: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the names that ``Contrast`` has, whichever of the three it is.

    **Raises** ``TaskError`` for a row of MIB or EAP-IG that holds no contrast.
    """
    if "choices" in cells and "answerKey" in cells:
        return _of_mib(cells)
    if {"correct_idx", "incorrect_idx"} <= set(cells) and not cells.get("answer"):
        return _of_eap_ig(cells)
    return dict(cells)


def sharing(cells: Mapping[str, Any]) -> dict[str, Any]:
    """``group`` and ``fillers`` of a row, where it has them, as ``Contrast`` takes them.

    **Raises** ``TaskError`` for fillers that are no object.
    """
    given = cells.get("fillers") or {}
    if not isinstance(given, Mapping):
        raise TaskError(f"fillers is {given!r}. Give an object: {{'name': 'Mary'}}.")
    columns = {
        str(name).removeprefix(FILLER_COLUMN): value
        for name, value in cells.items()
        if str(name).startswith(FILLER_COLUMN) and value not in (None, "")
    }
    fillers = {str(name): str(value) for name, value in {**given, **columns}.items()}
    return {"group": str(cells.get("group") or ""), "fillers": fillers}


def _of_mib(cells: Mapping[str, Any]) -> dict[str, Any]:
    answer = _spaced(_choice(cells))
    for name, other in cells.items():
        if str(name).endswith("counterfactual") and isinstance(other, Mapping):
            foil = _spaced(_choice(other)) if "choices" in other else None
            if foil is not None and foil != answer:
                meta = cells.get("metadata")
                fillers = meta if isinstance(meta, Mapping) else {}
                plain = {name: one for name, one in fillers.items() if isinstance(one, str)}
                return {
                    "clean": cells.get("prompt"),
                    "corrupted": other.get("prompt"),
                    "answer": answer,
                    "foil": foil,
                    "group": cells.get("template"),
                    "fillers": plain,
                }
    raise TaskError(
        "a row of MIB without a counterfactual whose answer is another one. Take a set with one, "
        "such as s1_io_flip_counterfactual."
    )


def _choice(cells: Mapping[str, Any]) -> str:
    """The choice that a row says is right. **Raises** ``TaskError``."""
    try:
        return str(cells["choices"][int(cells["answerKey"])])
    except (LookupError, TypeError, ValueError) as error:
        raise TaskError(
            f"answerKey={cells.get('answerKey')!r} is no place in choices={cells.get('choices')!r}"
        ) from error


def _spaced(word: str) -> str:
    """A word as it follows a prompt."""
    return word if word[:1].isspace() else " " + word


def _of_eap_ig(cells: Mapping[str, Any]) -> dict[str, Any]:
    clean, corrupted = str(cells.get("clean") or ""), str(cells.get("corrupted") or "")
    words, others = (re.findall(r"\w+", text) for text in (clean, corrupted))
    changed = {a for a, b in zip(words, others, strict=False) if a != b}
    repeated = [word for word in changed if words.count(word) > 1]
    names = {
        match.group()
        for match in re.finditer(r"(?<![.!?] )(?<!^)\b[A-Z][a-z]+", clean)
        if match.group() not in changed
    }
    if len(words) != len(others) or len(repeated) != 1 or len(names) != 1:
        raise TaskError(
            "answer and foil are missing, and correct_idx and incorrect_idx are tokens of another "
            "tokenizer. Add the columns answer and foil."
        )
    (answer,) = names
    return {**cells, "answer": f" {answer}", "foil": f" {repeated[0]}"}
