"""What a result says it cost is what was run: calls counted where the model's class runs them."""

import inspect
from functools import wraps

import pytest
import torch

import pellucid
from pellucid import Contrast, ContrastBatch, Edit, Model, Site
from pellucid.lens.direct.frozen_norm import jacobian_product
from pellucid.model.running.forward import backwards_counted
from pellucid.passes import metering, uncounted
from pellucid.results.passes import Passes
from tests.models.every_call import (
    FOUR,
    LEARNED,
    PAIRS,
    STEERED,
    TEXTS,
    dictionary_of,
    probe_of,
)
from tests.models.families import tiny_model

ONE = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
SEVERAL = ContrastBatch((ONE, Contrast([1, 2, 3, 4, 5, 6, 7], [1, 2, 9, 4, 5, 6, 7], 10, 11)))
MANY = ContrastBatch(
    tuple(Contrast([3, i, 11, 2, i, 4], [3, i, 5, 2, i, 4], 6, 8) for i in range(12))
)
p = pellucid
CALLS = {
    "record": lambda m, q: p.record(m, q),
    "run_edited": lambda m, q: p.run_edited(m, [3, 7, 11], [Edit(site=Site("mlp_out", 1))]),
    "generate": lambda m, q: p.generate(m, ONE.clean, max_new_tokens=3),
    "probe": lambda m, q: probe_of(m),
    "probe_effect": lambda m, q: p.probe_effect(m, probe_of(m), q, random_directions=1),
    "interchange": lambda m, q: p.interchange(m, q, "L1 resid_pre", draws=2),
    "das": lambda m, q: p.das(m, FOUR, "L1 z", **LEARNED),
    "steering_vector": lambda m, q: p.steering_vector(m, PAIRS),
    "steer": lambda m, q: p.steer(
        m,
        p.steering_vector(m, torch.ones(m.anatomy.d_model)),
        [[1, 2]],
        3,
        4,
        instruction=[5, 6],
        **STEERED,
    ),
    "activations": lambda m, q: p.activations(m, [ONE.clean, (1, 2, 3)], ["blocks.0.hook_mlp_out"]),
    "patch_edges": lambda m, q: p.patch_edges(m, q),
    "ablate": lambda m, q: p.ablate(
        m, ONE.clean, 6, sites="mlps", ablation="noise", random_source=True
    ),
    "patch with noise": lambda m, q: p.patch(m, q, ablation="noise", random_source=True),
    "patch each position": lambda m, q: p.patch(m, q, positions="each"),
    "patch, little memory": lambda m, q: p.patch(m, q, memory_budget=1),
    "attention": lambda m, q: p.attention(m, ONE.clean),
    "composition": lambda m, q: p.composition(m),
    "head_roles": lambda m, q: p.head_roles(m, sequences=4, length=20),
    "direct_effects": lambda m, q: p.direct_effects(m, q),
    "direct_effects by source": lambda m, q: p.direct_effects(m, ONE, split="source"),
    "logit_lens": lambda m, q: p.logit_lens(m, ONE.clean, targets=[6, 8]),
    "neurons": lambda m, q: p.neurons(m, q, 1),
    "discover mfc": lambda m, q: p.discover(m, q, method="mfc", insist=True),
    "discover_edges automatic": lambda m, q: p.discover_edges(
        m, MANY, method="automatic", insist=True
    ),
    "discover_edges greedy": lambda m, q: p.discover_edges(
        m, q, method="greedy", size=9, insist=True
    ),
    "discover_edges acdc": lambda m, q: p.discover_edges(
        m, q, method="acdc", tau=0.01, insist=True
    ),
    "edge_faithfulness": lambda m, q: p.edge_faithfulness(
        m, q, m.anatomy.edges.clone(), random_sets=2
    ),
    "edge_faithfulness optimal": lambda m, q: p.edge_faithfulness(
        m, q, [("L0H1", "logits")], ablation="optimal"
    ),
    "edge_curve": lambda m, q: p.edge_curve(
        m, q, p.attribute_edges(m, q, method="eap"), random_sets=2
    ),
    "faithfulness": lambda m, q: p.faithfulness(m, q, ["L0H1", "L1H0"], random_sets=3),
    "backups": lambda m, q: p.backups(m, q, ["L0H1", "L1H0"], controls=3),
    "analyze": lambda m, q: p.analyze(m, q, random_sets=3, insist=True),
    "study": lambda m, q: p.study(m, {"a": ONE, "b": SEVERAL}, insist=True),
    **{
        f"attribute {x}": lambda m, q, x=x: p.attribute(m, q, method=x)
        for x in ("atp-mask", "atp", "ig", "mask-ig")
    },
    **{
        f"patch {x}": lambda m, q, x=x: p.patch(m, q, sites=x)
        for x in ("nodes", "attn", "resid", "q")
    },
    **{
        f"attribute_edges {x}": lambda m, q, x=x: p.attribute_edges(m, q, method=x)
        for x in ("eap", "clean-corrupted", "eap-ig", "mask-ig", "slot-ig", "atp*", "relp", "exact")
    },
    **{
        f"discover_edges {x}": lambda m, q, x=x: p.discover_edges(m, q, method=x, insist=True)
        for x in ("verified", "nested")
    },
    "attribute_features": lambda m, q: p.attribute_features(m, q, dictionary_of(m), top=2),
    "describe_latents": lambda m, q: p.describe_latents(m, dictionary_of(m), TEXTS, top=2),
    "evaluate_dictionary": lambda m, q: p.evaluate_dictionary(m, dictionary_of(m), TEXTS),
    "discover": lambda m, q: p.discover(m, q, insist=True),
    **{
        f"token_attribution {x}": lambda m, q, x=x: p.token_attribution(m, q, method=x)
        for x in ("gradient", "ig", "occlusion", "rollout")
    },
}
RUN_NOTHING = {
    "register_part",
    "read_dictionary",
    "with_dictionaries",
    "fit_dictionary",
    "export_dictionaries",
    "load",
    "read_prompts",
    "chat_prompt",
    "tasks",
    "read_circuit",
    "watching",
    "showing_progress",
    "most_forwards",
    "read_table",
}
GIVES_NO_RESULT = {"read_decisions"}  # contrasts, for which prompts are judged
FEWER = {"edge_curve": 1, "probe_effect": 6, "activations": 5}
"""Calls that are not the result's: for scores given to it, and to try a reader on short texts."""


PROVED = dict.fromkeys(("attribute_features", "describe_latents", "evaluate_dictionary"), 1)
"""Calls that look whether a dictionary's place can be written, which belong to opening it."""


@pytest.fixture(scope="module")
def model() -> Model:
    found = Model.build(tiny_model("llama"))
    p.attribute_edges(found, ONE, method="relp")  # probes the model once in its life
    return found


def test_every_public_call_is_here():
    functions = {
        name
        for name in pellucid.__all__
        if inspect.isfunction(getattr(pellucid, name)) and name not in RUN_NOTHING | GIVES_NO_RESULT
    }
    assert functions == {name.split(" ")[0].rstrip(",") for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("question", [ONE, SEVERAL], ids=["one", "several"])
def test_calls_are_those_that_the_models_class_sees(model, name, question, monkeypatch):
    seen: list[int] = []
    plain = type(model.module).forward

    @wraps(plain)
    def forward(*args, **kwargs):
        seen.append(1)
        return plain(*args, **kwargs)

    # Not by a hook: while there is one, no shortcut is taken.
    monkeypatch.setattr(type(model.module), "forward", forward)
    with metering() as meter:
        found = CALLS[name](model, question)
    counted = len(seen) - PROVED.get(name, 0)
    assert meter.passes.calls == counted
    assert meter.passes.forwards >= meter.passes.calls or name == "attribute_edges atp*"
    if hasattr(found, "passes"):
        assert found.passes.calls == counted - FEWER.get(name, 0)


@pytest.mark.parametrize(
    ("name", "backwards"),
    [("record", 1), ("patch_edges", 1), ("attention", 0), ("logit_lens", 0), ("neurons", 5)],
)
def test_backwards_are_counted_where_a_gradient_passes_the_logits(model, name, backwards):
    with metering() as meter:
        CALLS[name](model, ONE)
    assert meter.passes.backwards == backwards


def test_a_gradient_that_is_differentiated_itself_counts_twice():
    weight = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    vectors = torch.ones(2, 3)
    with metering() as meter:
        found = jacobian_product(lambda x: backwards_counted(x @ weight), vectors)
    torch.testing.assert_close(found, vectors @ weight)
    assert meter.passes == Passes(backwards=2)


def test_what_is_not_differentiated_counts_nothing(model):
    with metering() as meter, torch.no_grad():
        backwards_counted(torch.ones(2))
        p.logit_lens(model, ONE.clean)
    assert meter.passes.backwards == 0


def test_opening_and_what_is_said_to_be_uncounted_belong_to_no_question(model):
    with metering() as meter:
        model.selfcheck()
        with uncounted():
            p.record(model, ONE)
        assert meter.passes == Passes()
        p.record(model, ONE)
    assert meter.passes == Passes(forwards=2, backwards=1, calls=1)
