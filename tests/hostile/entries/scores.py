"""Scores of parts, and lenses."""

import pellucid
from tests.hostile.entries.entry import (
    ASKED,
    EDGES,
    ESTIMATED,
    MEASURED,
    PARTS,
    WORD,
    Entry,
    asking,
)
from tests.hostile.values import (
    CHOICE,
    FLAG,
    OBJECT,
    OPTIONAL_OBJECT,
    OPTIONAL_WHOLE,
    PROMPT,
    WHOLE,
    wrong,
)

SCORES: dict[str, Entry] = {
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
}
