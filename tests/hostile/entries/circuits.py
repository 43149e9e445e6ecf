"""Circuits, dictionaries and faithfulness."""

import torch

import pellucid
from tests.hostile.entries.entry import ASKED, EDGES, MEASURED, Entry, asking, scores_of
from tests.hostile.values import (
    CHOICE,
    FLAG,
    LIST,
    NUMBER,
    OBJECT,
    OPTIONAL_CHOICE,
    OPTIONAL_OBJECT,
    OPTIONAL_TEXT,
    OPTIONAL_WHOLE,
    WHOLE,
    wrong,
)

CIRCUITS: dict[str, Entry] = {
    "discover_edges": Entry(
        pellucid.discover_edges,
        lambda model: {
            **asking(method="top", size=3, insist=True)(model),
            "scores": scores_of(model.module),
        },
        {
            **ASKED,
            **MEASURED,
            "scores": OPTIONAL_OBJECT,
            "method": CHOICE,
            "size": OPTIONAL_WHOLE,
            "target": NUMBER,
            "tau": wrong("whole", "fraction", "none"),
            "budget": WHOLE,
            "insist": FLAG,
        },
    ),
    "edge_curve": Entry(
        pellucid.edge_curve,
        lambda model: {**asking(fractions=(0.5,))(model), "scores": scores_of(model.module)},
        {
            **ASKED,
            **MEASURED,
            "scores": OBJECT,
            "selection": CHOICE,
            "order": CHOICE,
            "fractions": OBJECT,
            "random_sets": WHOLE,
        },
    ),
    "edge_faithfulness": Entry(
        pellucid.edge_faithfulness,
        asking(circuit=EDGES),
        {
            **ASKED,
            **MEASURED,
            "circuit": wrong("iterator"),
            "random_sets": WHOLE,
            "measure": OPTIONAL_OBJECT,
        },
    ),
    "read_dictionary": Entry(
        pellucid.read_dictionary,
        lambda model: {"source": "nowhere"},
        {
            "source": wrong(),
            "layer": OPTIONAL_WHOLE,
            "hook_name": OPTIONAL_TEXT,
            "k": OPTIONAL_WHOLE,
            "offline": FLAG,
        },
    ),
    "describe_latents": Entry(
        pellucid.describe_latents,
        lambda model: {
            "model": model,
            "dictionary": pellucid.fit_dictionary(
                pellucid.activations(model, [[1, 2, 3, 4]], "L1 resid_pre"), 4, k=1
            ),
            "texts": [[1, 2, 3, 4], [4, 3, 2, 1]],
        },
        {
            "model": OBJECT,
            "dictionary": OBJECT,
            "texts": wrong("text", "iterator"),
            "latents": wrong("none", "iterator"),
            "top": WHOLE,
            "examples": WHOLE,
            "skip_positions": WHOLE,
        },
    ),
    "attribute_features": Entry(
        pellucid.attribute_features,
        asking(dictionaries=[], top=2),
        {
            **ASKED,
            "dictionaries": OBJECT,
            "top": WHOLE,
            "ablation": CHOICE,
            "error": CHOICE,
            "check": CHOICE,
            "seed": WHOLE,
            "memory_budget": WHOLE,
        },
    ),
    "evaluate_dictionary": Entry(
        pellucid.evaluate_dictionary,
        lambda model: {
            "model": model,
            "dictionary": pellucid.fit_dictionary(
                pellucid.activations(model, [[1, 2, 3, 4]], "L1 resid_pre"), 4, k=1
            ),
            "texts": [[1, 2, 3, 4], [4, 3, 2, 1]],
        },
        {
            "model": OBJECT,
            "dictionary": OBJECT,
            "texts": wrong("text", "iterator"),
            "skip_positions": WHOLE,
            "seed": WHOLE,
        },
    ),
    "with_dictionaries": Entry(
        pellucid.with_dictionaries,
        lambda model: {"model": model, "dictionaries": []},
        {"model": OBJECT, "dictionaries": OBJECT},
    ),
    "fit_dictionary": Entry(
        pellucid.fit_dictionary,
        lambda model: {
            "activations": torch.randn(40, 6, generator=torch.Generator().manual_seed(0)),
            "n_latents": 8,
            "k": 2,
        },
        {
            "activations": OBJECT,
            "n_latents": WHOLE,
            "target": OPTIONAL_OBJECT,
            "activation": CHOICE,
            "k": WHOLE,
            "site": wrong("none"),
            "target_site": wrong("none"),
            "l1": NUMBER,
            "prefixes": LIST,
            "epochs": WHOLE,
            "batch": WHOLE,
            "learning_rate": wrong("none", "whole", "fraction"),
            "skip_positions": WHOLE,
            "seed": WHOLE,
            "keep": wrong("none", "text", "path"),
        },
    ),
    "export_dictionaries": Entry(
        pellucid.export_dictionaries,
        lambda model: {"dictionaries": [], "folder": "made", "format": "saelens"},
        {"dictionaries": wrong("iterator"), "folder": wrong("text", "path"), "format": CHOICE},
    ),
    "read_circuit": Entry(
        pellucid.read_circuit,
        lambda model: {"path": "nowhere.json"},
        {"path": wrong(), "model": OPTIONAL_OBJECT},
    ),
    "backups": Entry(
        pellucid.backups,
        asking(circuit=["L0H0"], budget=60, ablations=("zero",), controls=0),
        {
            **ASKED,
            **{name: values for name, values in MEASURED.items() if name != "ablation"},
            "circuit": wrong("iterator"),
            "ablations": OBJECT,
            "over": OPTIONAL_CHOICE,
            "share": NUMBER,
            "controls": WHOLE,
            "rounds": WHOLE,
            "budget": WHOLE,
        },
    ),
    "discover": Entry(
        pellucid.discover,
        asking(insist=True, budget=40),
        {
            **ASKED,
            **MEASURED,
            "attribution": OPTIONAL_OBJECT,
            "measure": OPTIONAL_OBJECT,
            "method": CHOICE,
            "over": wrong("iterator"),
            "opponents": CHOICE,
            "target": NUMBER,
            "budget": WHOLE,
            "insist": FLAG,
        },
    ),
    "faithfulness": Entry(
        pellucid.faithfulness,
        asking(circuit=["L0H1", "M1"]),
        {
            **ASKED,
            **MEASURED,
            "circuit": wrong("iterator"),
            "over": wrong("none", "iterator"),
            "curve": OPTIONAL_OBJECT,
            "random_sets": WHOLE,
            "opponents": wrong("iterator"),
            "measure": OPTIONAL_OBJECT,
        },
    ),
}
