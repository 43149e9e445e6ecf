"""Circuits: known ones are found, faithfulness is measured, nothing is claimed of noise."""

import re

import pytest
import torch

import pellucid
from pellucid import BudgetError, ContrastBatch, EditError, Model
from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.faithfulness import categorise, f1
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from tests.models import handbuilt
from tests.models.questions import IOI, VARIETIES, tiny_model


@pytest.fixture(scope="module")
def induction():
    return Model.build(handbuilt.induction_model()), handbuilt.induction_questions()


def test_the_handmade_model_does_induction(induction):
    model, questions = induction
    for contrast in questions:
        with torch.no_grad():
            logits = model.module(torch.tensor([list(contrast.clean)])).logits[0, -1]
        assert int(logits.argmax()) == contrast.answer


def test_exactly_its_two_heads_are_found(induction):
    model, questions = induction
    # Zero ablation asks for everything that the answer needs; under corrupted ablation the
    # previous-token head gives the same in both prompts, and so is rightly left out.
    found = pellucid.discover(model, questions, ablation="zero")
    assert set(found.names) == {handbuilt.PREVIOUS_TOKEN, handbuilt.INDUCTION}
    assert found.minimal
    corrupted = pellucid.discover(model, questions)
    assert set(corrupted.names) == {handbuilt.INDUCTION}


@pytest.mark.parametrize("over", ["heads", "heads+mlps"])
@pytest.mark.parametrize("ablation", ["corrupted", "mean", "zero"])
def test_everything_and_nothing_have_the_values_they_must(over, ablation, tiny, pair):
    every = replaceable(tiny, over)
    whole = pellucid.faithfulness(tiny, pair, every, over=over, ablation=ablation)
    empty = pellucid.faithfulness(tiny, pair, [], over=over, ablation=ablation)
    assert whole.sufficiency == pytest.approx(1, abs=1e-12)
    assert whole.comprehensiveness == pytest.approx(1, abs=1e-12)
    assert empty.sufficiency == pytest.approx(0, abs=1e-12)
    assert empty.comprehensiveness == pytest.approx(0, abs=1e-12)


def test_nothing_kept_is_the_corrupted_run_when_the_last_tokens_agree(tiny, pair):
    for over in ("heads", "heads+mlps"):
        empty = pellucid.faithfulness(tiny, pair, [], over=over)
        trace = pellucid.record(tiny, pair)
        assert empty.metric_none == pytest.approx(float(trace.metric_corrupted), abs=1e-12)


def sufficiency_by_hooks(model, contrast, kept, logits_of):
    """f of a set of heads with plain hooks on a Llama; everything else gets its corrupted z."""
    layers = model.module.model.layers
    tokens = {
        side: torch.tensor([model.tokenizer(getattr(contrast, side)).input_ids])
        for side in ("clean", "corrupted")
    }
    stored = {}

    def run(side, hook):
        handles = [
            layer.self_attn.o_proj.register_forward_pre_hook(lambda m, args, i=i: hook(i, args[0]))
            for i, layer in enumerate(layers)
        ]
        try:
            with torch.no_grad():
                return logits_of(model.module(tokens[side]).logits[0, -1])
        finally:
            for handle in handles:
                handle.remove()

    def store(i, z):
        stored[i] = z.clone()

    def replace(i, z, kept):
        new = stored[i].clone()
        for layer, head in kept:
            if layer == i:
                new[..., head * 64 : (head + 1) * 64] = z[..., head * 64 : (head + 1) * 64]
        return (new,)

    corrupted = run("corrupted", store)
    clean = run("clean", lambda i, z: None)
    part = run("clean", lambda i, z: replace(i, z, kept))
    return float((part - corrupted) / (clean - corrupted))


@pytest.mark.smol
def test_a_one_head_circuit_reports_its_true_sufficiency(smol):
    answer, foil = (smol.tokenizer(text).input_ids[0] for text in (" Mary", " John"))
    for layer, head in ((23, 3), (18, 6), (29, 0)):
        wanted = sufficiency_by_hooks(
            smol, IOI, [(layer, head)], lambda logits: logits[answer] - logits[foil]
        )
        found = pellucid.faithfulness(smol, IOI, [f"L{layer}H{head}"])
        assert found.sufficiency == pytest.approx(wanted, abs=1e-4)
        assert found.sufficiency < 0.85


@pytest.mark.smol
def test_the_circuit_found_is_minimal_when_checked_again(smol):
    found = pellucid.discover(smol, IOI)
    assert found.minimal
    assert found.sufficiency >= found.target
    for node in found.nodes:
        rest = [other for other in found.nodes if other != node]
        again = pellucid.faithfulness(smol, IOI, rest, over="heads")
        assert again.sufficiency < found.target
    assert found.passes.forwards <= found.budget


@pytest.mark.smol
def test_shuffled_labels_claim_nothing(smol):
    from pellucid.task.builtin import task

    batch = task("ioi")(smol.tokenizer, 8, 0)
    half = [
        pellucid.Contrast(c.clean, c.corrupted, c.foil, c.answer) if i % 2 else c
        for i, c in enumerate(batch)
    ]
    found = pellucid.discover(smol, ContrastBatch(tuple(half)))
    assert not found.nodes
    assert "chance" in found.note or "does not prefer" in found.note


def test_random_weights_claim_nothing():
    from transformers import GPT2Config, GPT2LMHeadModel

    for seed in range(4):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            config = GPT2Config(n_embd=96, n_layer=6, n_head=12, vocab_size=200, n_positions=32)
            model = Model.build(GPT2LMHeadModel(config).eval())
            prompts = torch.randint(3, 200, (8, 12))
        contrasts = []
        for row in prompts.tolist():
            other = [*row[:4], (row[4] + 50) % 200, *row[5:]]
            contrasts.append(pellucid.Contrast(row, other, 7, 9))
        assert not pellucid.discover(model, ContrastBatch(tuple(contrasts))).nodes


def test_the_budget_is_kept_and_said(one_tiny, pair):
    swapped = pair if prefers(one_tiny, pair) else other_way(pair)
    found = pellucid.discover(one_tiny, swapped, budget=14, insist=True)
    assert found.passes.forwards <= 14
    with pytest.raises(BudgetError, match=r"Pass budget=\d+ or more"):
        pellucid.discover(one_tiny, swapped, budget=3, insist=True)


@pytest.mark.parametrize("over", ["heads", "heads+mlps"])
def test_the_least_budget_is_named_exactly(over, one_tiny, pair):
    for budget in (0, 2, 3):
        with pytest.raises(BudgetError) as refused:
            pellucid.discover(one_tiny, pair, over=over, budget=budget, insist=True)
        least = int(re.search(r"Pass budget=(\d+)", str(refused.value))[1])
        assert pellucid.discover(one_tiny, pair, over=over, budget=least, insist=True).note
        with pytest.raises(BudgetError):
            pellucid.discover(one_tiny, pair, over=over, budget=least - 1, insist=True)


@pytest.mark.parametrize(("search", "least", "target"), [("verified", 13, 0.85), ("mfc", 5, 0.99)])
def test_a_recording_that_is_given_counts(search, least, target, one_tiny, pair):
    question = pair
    if search == "mfc":  # needs a metric that is positive, and falls
        question = pellucid.Contrast(pair.corrupted, pair.clean, pair.answer, pair.foil)
    trace = pellucid.record(one_tiny, question)
    stopped = set()
    for budget in range(least, 40):
        settings = {"method": search, "budget": budget, "target": target, "insist": True}
        recorded = pellucid.discover(one_tiny, question, **settings)
        given = pellucid.discover(one_tiny, question, trace=trace, **settings)
        assert (given.nodes, given.note) == (recorded.nodes, recorded.note)
        assert given.passes.forwards + 2 == recorded.passes.forwards <= budget
        stopped.add("budget ended" in given.note)
    assert stopped == {True, False}


def test_mfc_follows_its_definition(one_tiny, pair):
    question = pair if prefers(one_tiny, pair) else other_way(pair)
    found = pellucid.discover(one_tiny, question, method="mfc", insist=True)
    trace = pellucid.record(
        one_tiny, question, sites=[*node_sites(one_tiny), *stream_sites(one_tiny)]
    )
    estimates = pellucid.attribute(one_tiny, question, trace=trace)
    by_node = dict(zip(estimates.nodes, estimates.estimate.tolist(), strict=True))
    heads = sorted(replaceable(one_tiny, "heads"), key=lambda node: -by_node[node])
    added, total = [], 0.0
    for node in heads:
        estimate = (float(trace.metric_corrupted) + total) / float(trace.metric_clean)
        if estimate >= 0.85 or by_node[node] <= 0:
            break
        added.append(node)
        total += by_node[node]
    measure = SetMeasure(Setup(model=one_tiny, trace=trace), replaceable(one_tiny, "heads"))
    kept = frozenset(added)
    for node in reversed(added):
        smaller = kept - {node}
        if smaller and measure.comprehensiveness([smaller])[0] > 0.85:
            kept = smaller
    assert set(found.nodes) == kept


def test_each_set_is_run_once(one_tiny, pair):
    trace = pellucid.record(one_tiny, pair)
    measure = SetMeasure(Setup(model=one_tiny, trace=trace), replaceable(one_tiny, "heads"))
    sets = [frozenset(measure.over[:2]), frozenset(measure.over[:2]), measure.all]
    measure.fraction(sets)
    assert measure.unknown(sets) == []
    with measure.limited_to(0):
        measure.fraction(sets)
        assert measure.forwards_left == 0


def test_random_sets_have_the_size_and_layers_of_the_circuit(one_tiny, pair):
    found = pellucid.faithfulness(one_tiny, pair, ["L0H1", "L2H3"], random_sets=6)
    assert len(found.random_same_size) == len(found.random_same_layers) == 6
    again = pellucid.faithfulness(one_tiny, pair, ["L0H1", "L2H3"], random_sets=6)
    assert again.random_same_size == found.random_same_size
    assert 0 <= found.percentile_same_size <= 100


def test_words_for_numbers():
    assert categorise(0.95, 0.3) == "backup_mechanisms"
    assert categorise(0.8, 0.8) == "faithful"
    assert categorise(0.2, 0.8) == "incomplete"
    assert categorise(0.5, 0.5) == "weak"
    assert categorise(float("nan"), 0.5) == "undefined"
    assert categorise(0.8, 0.8, with_opponents=0.6) == "opposed"
    assert categorise(0.95, 0.3, with_opponents=0.8) == "opposed"
    assert categorise(0.8, 0.8, with_opponents=0.75) == "faithful"
    assert categorise(0.2, 0.8, with_opponents=0.1) == "incomplete"
    assert f1(0.5, 1.0) == pytest.approx(2 / 3)
    assert f1(-0.2, 1.0) == 0


def test_unknown_nodes_and_mlps_over_heads_are_refused(one_tiny, pair):
    with pytest.raises(EditError, match="No part named L7H7"):
        pellucid.faithfulness(one_tiny, pair, ["L7H7"])
    with pytest.raises(EditError, match="never replaced"):
        pellucid.faithfulness(one_tiny, pair, ["M1"], over="heads")


def prefers(model, contrast):
    return float(pellucid.record(model, contrast).preference) > 0


def other_way(contrast):
    return pellucid.Contrast(contrast.clean, contrast.corrupted, contrast.foil, contrast.answer)


def test_a_model_that_prefers_the_foil_gets_an_answer_but_no_circuit(pair):
    model = tiny_model(VARIETIES["rms"])
    question = other_way(pair) if prefers(model, pair) else pair
    result = pellucid.analyze(model, question)
    assert not result.behaves
    assert not result.circuit.nodes
    assert "does not do this" in str(result)
    assert result.top
