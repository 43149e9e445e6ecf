"""Opening models, parts and questions."""

from hypothesis import strategies as st

import pellucid
from pellucid import Contrast, ContrastBatch, Node, Site
from tests.hostile.entries.entry import QUESTION, Entry
from tests.hostile.values import (
    CHOICE,
    FLAG,
    OBJECT,
    OPTIONAL_CHOICE,
    OPTIONAL_OBJECT,
    OPTIONAL_TEXT,
    OPTIONAL_WHOLE,
    TEXT,
    WHOLE,
    wrong,
)

QUESTIONS: dict[str, Entry] = {
    "load": Entry(
        pellucid.load,
        lambda model: {"source": model.module, "tokenizer": model.tokenizer},
        {
            "source": wrong("none", "path"),
            "dtype": OPTIONAL_CHOICE,
            "device": OPTIONAL_CHOICE,
            "revision": wrong("none"),
            "tokenizer": wrong("none"),
            "offline": FLAG,
        },
    ),
    "Node": Entry(
        Node,
        lambda model: {"kind": "head", "layer": 0, "head": 1},
        {"kind": TEXT, "layer": OPTIONAL_WHOLE, "head": OPTIONAL_WHOLE},
    ),
    "Slot": Entry(
        pellucid.Slot,
        lambda model: {"kind": "q", "layer": 0, "head": 1},
        {"kind": TEXT, "layer": OPTIONAL_WHOLE, "head": OPTIONAL_WHOLE},
    ),
    "Site": Entry(Site, lambda model: {"kind": "z", "layer": 0}, {"kind": CHOICE, "layer": WHOLE}),
    "PartKind": Entry(
        pellucid.PartKind,
        lambda model: {"kind": "x", "form": "X{layer}", "site": "z", "count": len},
        {
            "kind": TEXT,
            "form": TEXT,
            "site": TEXT,
            "count": wrong("function"),
            "all_of_layer": OPTIONAL_TEXT,
            "cut": wrong("function", "none"),
            "put": wrong("function", "none"),
        },
    ),
    "register_part": Entry(pellucid.register_part, lambda model: {}, {"kind": OBJECT}),
    "Contrast": Entry(
        Contrast,
        lambda model: {"clean": "a b", "corrupted": "a c", "answer": "d", "foil": "e"},
        {
            "clean": wrong("text"),
            "corrupted": wrong("text"),
            "answer": wrong("text", "whole"),
            "foil": wrong("text", "whole"),
            "group": TEXT,
            "fillers": OBJECT,
        },
    ),
    "Contrast.chat": Entry(
        Contrast.chat,
        lambda model: {
            "tokenizer": model.tokenizer,
            "clean": "a",
            "corrupted": "b",
            "answer": "d",
            "foil": "e",
        },
        {
            "tokenizer": wrong(),
            "clean": TEXT,
            "corrupted": TEXT,
            "answer": TEXT,
            "foil": TEXT,
            "system": OPTIONAL_TEXT,
        },
    ),
    "chat_prompt": Entry(
        pellucid.chat_prompt,
        lambda model: {"tokenizer": model.tokenizer, "message": "a"},
        {"tokenizer": wrong(), "message": TEXT, "system": OPTIONAL_TEXT},
    ),
    "ContrastBatch": Entry(
        ContrastBatch,
        lambda model: {"contrasts": [QUESTION]},
        {
            "contrasts": OBJECT,
            "name": TEXT,
            "file": OPTIONAL_OBJECT,
            "left_out": OBJECT,
            "read_as": OBJECT,
        },
    ),
    "ContrastBatch.of": Entry(
        ContrastBatch.of,
        lambda model: {"contrasts": [QUESTION]},
        {"contrasts": OBJECT, "name": TEXT},
    ),
    "ContrastBatch.from_lists": Entry(
        ContrastBatch.from_lists,
        lambda model: {"clean": ["a b"], "corrupted": ["a c"], "answers": ["d"], "foils": ["e"]},
        dict.fromkeys(("clean", "corrupted", "answers", "foils"), OBJECT),
    ),
    "ContrastBatch.from_json": Entry(
        ContrastBatch.from_json,
        lambda model: {"text": ContrastBatch.of(QUESTION).to_json()},
        {"text": wrong() | st.just("[" * 100_000)},
    ),
    "read_prompts": Entry(
        pellucid.read_prompts,
        lambda model: {"source": [QUESTION.to_dict()]},
        {"source": OBJECT, "on_error": CHOICE, "tokenizer": wrong("none")},
    ),
    "tasks": Entry(lambda names: pellucid.tasks(names), lambda model: {}, {"names": wrong()}),
}
