"""What runs a model with edits, probes and directions."""

import torch

import pellucid
from pellucid import Contrast, ContrastBatch, Edit, Site
from tests.hostile.entries.entry import ASKED, ESTIMATED, QUESTION, WORD, Entry, asking
from tests.hostile.values import (
    CHOICE,
    FLAG,
    LIST,
    NUMBER,
    OBJECT,
    OPTIONAL_OBJECT,
    OPTIONAL_WHOLE,
    WHOLE,
    wrong,
)
from tests.models.every_call import probe_of

RUNS: dict[str, Entry] = {
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
}
