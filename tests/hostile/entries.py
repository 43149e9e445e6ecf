"""Every public call with arguments that are right, and what is wrong for each of them."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st

import pellucid
from pellucid import Contrast, ContrastBatch, Edit, Model, Node, Site, zoo
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
    PROMPT,
    TEXT,
    WHOLE,
    wrong,
)
from tests.models.every_call import probe_of

QUESTION = Contrast([20, 21, 22, 23], [20, 24, 22, 23], 30, 31)
EDGES = [("L0H1", "logits"), ("L0H1", "M1")]
Wrong = Mapping[str, st.SearchStrategy[Any]]

PARTS = wrong("none", "iterator", "text")
ESTIMATED: Wrong = {"metric": wrong("function"), "trace": OPTIONAL_OBJECT}
MEASURED: Wrong = {**ESTIMATED, "seed": WHOLE, "memory_budget": WHOLE, "ablation": CHOICE}
ANALYSED: Wrong = {
    "method": CHOICE,
    "search": CHOICE,
    "over": CHOICE,
    "opponents": CHOICE,
    "target": NUMBER,
    "budget": WHOLE,
    "ablation": CHOICE,
    "metric": ESTIMATED["metric"],
    "random_sets": WHOLE,
    "controls": WHOLE,
    "seed": WHOLE,
    "insist": FLAG,
    "include": wrong(),
}
ASKED: Wrong = {"model": OBJECT, "contrast": OBJECT}
WORD = wrong("text", "whole", "none")


@dataclass(frozen=True)
class Entry:
    """A public call: arguments that are right, by the model, and wrong values for each."""

    call: Callable[..., Any]
    right: Callable[[Model], dict[str, Any]]
    wrong: Wrong


def asking(**more: Any) -> Callable[[Model], dict[str, Any]]:
    return lambda model: {"model": model, "contrast": QUESTION, **more}


@functools.cache
def scores_of(module: torch.nn.Module) -> pellucid.EdgeScores:
    return pellucid.attribute_edges(pellucid.load(module), QUESTION, method="eap")


ENTRIES: dict[str, Entry] = {
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
        {"contrasts": OBJECT, "name": TEXT, "file": OPTIONAL_OBJECT},
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
    "read_prompts": Entry(pellucid.read_prompts, lambda model: {}, {"path": wrong()}),
    "tasks": Entry(lambda names: pellucid.tasks(names), lambda model: {}, {"names": wrong()}),
    "record": Entry(
        pellucid.record,
        asking(),
        {
            **ASKED,
            "metric": ESTIMATED["metric"],
            "sites": LIST,
            "observed": wrong("iterator"),
            "padding": CHOICE,
            "mixture": FLAG,
        },
    ),
    "Edit": Entry(
        Edit,
        lambda model: {"site": Site("z", 0)},
        {
            "site": OBJECT,
            "operation": CHOICE,
            "value": wrong("whole", "fraction", "function", "tensor"),
            "heads": OPTIONAL_WHOLE,
            "positions": OPTIONAL_WHOLE,
        },
    ),
    "Subspace": Entry(
        pellucid.Subspace,
        lambda model: {"basis": torch.eye(3)[:1]},
        {
            "basis": wrong(),
            "source": wrong("whole", "fraction", "function", "tensor"),
        },
    ),
    "run_edited": Entry(
        pellucid.run_edited,
        lambda model: {"model": model, "prompt": "a b", "edits": [Edit(site=Site("z", 0))]},
        {"model": OBJECT, "prompt": wrong("text"), "edits": OBJECT},
    ),
    "generate": Entry(
        pellucid.generate,
        lambda model: {"model": model, "prompt": "a b", "max_new_tokens": 2, "temperature": 1.0},
        {
            "model": OBJECT,
            "prompt": wrong("text"),
            "max_new_tokens": WHOLE,
            "temperature": NUMBER,
            "top_p": NUMBER,
            "seed": WHOLE,
            "edits": OBJECT,
            "sites": wrong("iterator"),
        },
    ),
    "SteeringVector.applied": Entry(
        lambda self, model, scale, layers, positions: self.applied(
            model, scale=scale, layers=layers, positions=positions
        ).__enter__(),
        lambda model: {
            "self": pellucid.steering_vector(model, torch.ones(model.anatomy.d_model)),
            "model": model,
            "scale": 1.0,
            "layers": 1,
            "positions": "all",
        },
        {
            "model": OBJECT,
            "scale": NUMBER,
            "layers": OPTIONAL_WHOLE,
            "positions": wrong("list"),
        },
    ),
    "interchange": Entry(
        pellucid.interchange,
        asking(site="L1 z", draws=1),
        {
            **ASKED,
            "site": wrong(),
            "positions": wrong("whole", "list"),
            "subspace": OPTIONAL_OBJECT,
            "draws": WHOLE,
            "seed": WHOLE,
        },
    ),
    "das": Entry(
        pellucid.das,
        lambda model: {
            "model": model,
            "contrast": ContrastBatch(
                tuple(Contrast([n, 2, 3], [n, 4, 3], 11, 13) for n in range(20, 24))
            ),
            "site": "L1 z",
            "steps": 1,
            "draws": 0,
            "random_model": False,
        },
        {
            **ASKED,
            "site": wrong(),
            "k": WHOLE,
            "positions": wrong("whole", "list"),
            "steps": WHOLE,
            "rate": NUMBER,
            "test_share": NUMBER,
            "draws": WHOLE,
            "arbitrary": FLAG,
            "random_model": FLAG,
            "seed": WHOLE,
        },
    ),
    "probe": Entry(
        pellucid.probe,
        lambda model: {
            "model": model,
            "texts": [f"a {n}" for n in range(8)],
            "labels": ["a", "b"] * 4,
            "sites": "L1 resid_pre",
            "sizes": (1,),
            "shuffles": 0,
            "random_model": False,
        },
        {
            "model": OBJECT,
            "texts": OBJECT,
            "labels": OBJECT,
            "sites": wrong("iterator"),
            "positions": CHOICE,
            "groups": wrong("none", "list"),
            "sizes": OBJECT,
            "test_share": NUMBER,
            "shuffles": WHOLE,
            "random_model": FLAG,
            "other": OPTIONAL_OBJECT,
            "seed": WHOLE,
        },
    ),
    "probe_effect": Entry(
        pellucid.probe_effect,
        lambda model: {
            "model": model,
            "probe": probe_of(model),
            "contrast": QUESTION,
            "random_directions": 1,
        },
        {
            "model": OBJECT,
            "probe": OBJECT,
            "contrast": OBJECT,
            "metric": ESTIMATED["metric"],
            "random_directions": WHOLE,
            "seed": WHOLE,
        },
    ),
    "steering_vector": Entry(
        pellucid.steering_vector,
        lambda model: {"model": model, "source": [("a b", "c d"), ("a", "b")]},
        {
            "model": OBJECT,
            "source": wrong(),
            "method": CHOICE,
            "layers": OPTIONAL_WHOLE,
            "positions": CHOICE,
        },
    ),
    "steer": Entry(
        pellucid.steer,
        lambda model: {
            "model": model,
            "vector": pellucid.steering_vector(model, torch.ones(model.anatomy.d_model)),
            "prompts": ["a b"],
            "toward": 3,
            "away": 4,
            "instruction": "a",
            "neutral": ["a b c"],
            "task": None,
            "random_directions": 0,
        },
        {
            "model": OBJECT,
            "vector": OBJECT,
            "prompts": wrong(),
            "toward": WORD,
            "away": WORD,
            "instruction": wrong("text"),
            "scales": OBJECT,
            "layers": OPTIONAL_WHOLE,
            "random_directions": WHOLE,
            "seed": WHOLE,
            "neutral": wrong("none"),
            "task": CHOICE,
        },
    ),
    "attribute": Entry(
        pellucid.attribute,
        asking(),
        {**ASKED, **ESTIMATED, "method": CHOICE, "steps": OPTIONAL_WHOLE, "parts": PARTS},
    ),
    "attribute_edges": Entry(
        pellucid.attribute_edges,
        asking(method="eap"),
        {
            **ASKED,
            "method": CHOICE,
            "metric": ESTIMATED["metric"],
            "steps": wrong("none"),
            "positions": CHOICE,
            "edges": wrong("none"),
        },
    ),
    "patch_edges": Entry(
        pellucid.patch_edges, asking(edges=EDGES), {**ASKED, **MEASURED, "edges": wrong("none")}
    ),
    "patch": Entry(
        pellucid.patch,
        asking(sites="mlps"),
        {
            **ASKED,
            **MEASURED,
            "direction": CHOICE,
            "sites": CHOICE,
            "positions": CHOICE,
            "only": PARTS,
            "random_source": FLAG,
        },
    ),
    "ablate": Entry(
        pellucid.ablate,
        lambda model: {"model": model, "prompt": "a b", "answer": " c", "sites": "mlps"},
        {
            "model": OBJECT,
            "prompt": wrong("text"),
            "answer": WORD,
            "sites": CHOICE,
            "positions": CHOICE,
            "only": PARTS,
            "metric": CHOICE,
            "ablation": CHOICE,
            "noise_at": wrong("none"),
            "random_source": FLAG,
            "seed": WHOLE,
            "memory_budget": WHOLE,
        },
    ),
    "attention": Entry(
        pellucid.attention,
        lambda model: {"model": model, "prompt": "a b"},
        {"model": OBJECT, "prompt": wrong("text"), "heads": PARTS, "top": OPTIONAL_WHOLE},
    ),
    "composition": Entry(
        pellucid.composition,
        lambda model: {"model": model},
        {"model": OBJECT, "senders": PARTS, "receivers": PARTS, "kinds": OBJECT},
    ),
    "head_roles": Entry(
        pellucid.head_roles,
        lambda model: {"model": model, "length": 6, "sequences": 2, "nulls": 1, "controls": 1},
        {
            "model": OBJECT,
            "seed": WHOLE,
            "sequences": WHOLE,
            "length": WHOLE,
            "nulls": WHOLE,
            "controls": WHOLE,
            "thresholds": OPTIONAL_OBJECT,
        },
    ),
    "direct_effects": Entry(pellucid.direct_effects, asking(), {**ASKED, "split": CHOICE}),
    "logit_lens": Entry(
        pellucid.logit_lens,
        lambda model: {"model": model, "prompt": "a b"},
        {
            "model": OBJECT,
            "prompt": wrong("text"),
            "targets": wrong("none", "text", "whole"),
            "against": PROMPT,
            "positions": OPTIONAL_WHOLE,
            "top": WHOLE,
        },
    ),
    "neurons": Entry(pellucid.neurons, asking(layer=0), {**ASKED, "layer": WHOLE, "top": WHOLE}),
    "token_attribution": Entry(
        pellucid.token_attribution,
        asking(),
        {
            **ASKED,
            **ESTIMATED,
            "method": CHOICE,
            "steps": wrong("none"),
            "replacement": WORD,
            "seed": WHOLE,
        },
    ),
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
