"""Analyses, corpora, files and the zoo."""

from hypothesis import strategies as st

import pellucid
from pellucid import zoo
from tests.hostile.entries.entry import ANALYSED, QUESTION, Entry, asking, scores_of
from tests.hostile.values import (
    CHOICE,
    OBJECT,
    OPTIONAL_CHOICE,
    OPTIONAL_TEXT,
    WHOLE,
    wrong,
)

ANALYSES: dict[str, Entry] = {
    "AnalysisOptions": Entry(pellucid.AnalysisOptions, lambda model: {}, ANALYSED),
    "analyze": Entry(
        pellucid.analyze,
        asking(insist=True, budget=40, random_sets=0),
        {
            **ANALYSED,
            "model": OBJECT,
            "contrast": OBJECT,
            "prompt": wrong("none", "text"),
            "answer": wrong("none", "text", "whole"),
            "foil": wrong("none", "text", "whole"),
            "corrupted": wrong("none", "text"),
            "command": OPTIONAL_TEXT,
        },
    ),
    "analyze in words": Entry(
        lambda prompt, answer, foil, corrupted, model: pellucid.analyze(
            model, prompt=prompt, answer=answer, foil=foil, corrupted=corrupted
        ),
        lambda model: {
            "model": model,
            "prompt": "a b",
            "answer": " x",
            "foil": " y",
            "corrupted": None,
        },
        {
            "model": OBJECT,
            "prompt": wrong("text"),
            "answer": wrong("text", "whole"),
            "foil": wrong("text", "whole"),
            "corrupted": wrong("text", "none"),
        },
    ),
    "most_forwards": Entry(
        pellucid.most_forwards,
        lambda model: {"model": model, "options": pellucid.AnalysisOptions()},
        {"model": OBJECT, "options": OBJECT, "judged": WHOLE, "length": WHOLE},
    ),
    "study": Entry(
        pellucid.study,
        lambda model: {
            "model": model,
            "contrasts": {"one": QUESTION},
            "insist": True,
            "budget": 40,
            "random_sets": 0,
        },
        {
            **ANALYSED,
            "model": OBJECT,
            "contrasts": OBJECT,
            "command": OPTIONAL_TEXT,
            "keep": wrong("none", "text", "path"),
        },
    ),
    "activations": Entry(
        pellucid.activations,
        lambda model: {"model": model, "texts": ["a b"], "sites": "L0 z"},
        {
            "model": OBJECT,
            "texts": wrong("text", "iterator"),
            "sites": wrong("iterator"),
            "folder": wrong("none", "text", "path"),
            "dtype": OPTIONAL_CHOICE,
            "device": CHOICE,
            "memory_budget": WHOLE,
            "batching": CHOICE,
            "too_long": CHOICE,
        },
    ),
    "watching": Entry(
        lambda callbacks: pellucid.watching(callbacks).__enter__(),
        lambda model: {},
        {"callbacks": OBJECT},
    ),
    "Activations.open": Entry(pellucid.Activations.open, lambda model: {}, {"folder": wrong()}),
    "read_table": Entry(pellucid.read_table, lambda model: {}, {"path": wrong()}),
    "read_decisions": Entry(
        pellucid.read_decisions,
        lambda model: {"model": model, "path": "nowhere.csv"},
        {"model": OBJECT, "path": wrong(), "metric": wrong("function")},
    ),
    "Result.load": Entry(pellucid.Result.load, lambda model: {}, {"path": wrong()}),
    "Result.from_json": Entry(
        pellucid.Result.from_json,
        lambda model: {"text": scores_of(model.module).to_json()},
        {"text": wrong("text") | st.just("[" * 100_000), "tensors": wrong("bytes")},
    ),
    "Result.save": Entry(
        pellucid.Result.save,
        lambda model: {"self": scores_of(model.module)},
        {"path": wrong("text", "path", "half")},  # a name may hold bytes that are no UTF-8
    ),
    "zoo.about": Entry(zoo.about, lambda model: {}, {"name": wrong()}),
    "zoo.specimen": Entry(zoo.specimen, lambda model: {}, {"name": wrong()}),
    "zoo.certify": Entry(zoo.certify, lambda model: {}, {"specimen": OBJECT}),
    "zoo.page": Entry(zoo.page, lambda model: {}, {"result": OBJECT}),
    "zoo.run": Entry(
        zoo.run,
        lambda model: {"methods": "eap", "models": "nothing"},
        {"methods": wrong("function"), "models": wrong(), "null_tests": WHOLE},
    ),
    "zoo.run_real": Entry(
        zoo.run_real,
        lambda model: {"model": model, "methods": ["atp"], "questions": {}},
        {
            "model": OBJECT,
            "methods": OBJECT,
            "questions": OBJECT,
            "cache": wrong("none", "text", "path"),
        },
    ),
    "zoo.names": Entry(zoo.names, lambda model: {"patterns": "*"}, {"patterns": wrong()}),
}
