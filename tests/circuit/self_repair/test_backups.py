"""Self-repair: backups are found where they can be seen, and nothing is found where none is."""

import re
from dataclasses import replace

import pytest
import torch

import pellucid
from pellucid import Backups, BudgetError, Contrast, ContrastBatch, EditError, Model, TaskError
from pellucid.analysis.wording import caveats_of
from pellucid.circuit.nodes.circuit import replaceable, resolve_nodes
from pellucid.circuit.self_repair.conditional import estimates_given, intact_estimates
from pellucid.circuit.self_repair.controls import _limits
from pellucid.run.ablation import replacements
from pellucid.run.sites import node_sites
from tests.models import gated, handbuilt
from tests.models.questions import IOI, VARIETIES, tiny_model

ALL = ("zero", "mean", "corrupted")


def built(gate="presence", backups=1) -> Model:
    return Model.build(gated.gated_model(gate, backups))


def test_the_gated_model_does_induction_also_without_its_primary_head():
    model, questions = built(), gated.gated_questions()
    for contrast in questions:
        tokens = torch.tensor([list(contrast.clean)])
        with torch.no_grad():
            assert int(model.module(tokens).logits[0, -1].argmax()) == contrast.answer
            model.module.layers[1].attention.o_proj.weight.zero_()
            assert int(model.module(tokens).logits[0, -1].argmax()) == contrast.answer


@pytest.mark.parametrize(("gate", "seen"), [("presence", ("zero",)), ("content", ALL)])
def test_a_gated_backup_is_found_under_the_ablations_that_open_its_gate(gate, seen):
    # The corrupted and the mean output of the primary head still raise the flag.
    found = pellucid.backups(built(gate), gated.gated_questions(), [gated.PRIMARY])
    assert found.names == (gated.BACKUP,)
    assert found.visible_under(gated.BACKUP) == seen
    for growth in found.found:
        assert growth.role == "takes over"
        assert growth.effect_before == pytest.approx(0, abs=0.02)
        assert growth.effect_after == pytest.approx(1, abs=0.02)
        assert growth.estimate == pytest.approx(growth.effect, abs=0.02)
    assert all(repair.settled for repair in found.repairs)


@pytest.mark.parametrize("gate", ["presence", "content"])
def test_a_backup_of_the_backup_is_found_and_does_not_hide_it(gate):
    found = pellucid.backups(
        built(gate, 2), gated.gated_questions(), [gated.PRIMARY], ablations=("zero",)
    )
    rounds = {growth.node.name: growth.round for growth in found.found}
    assert rounds == {gated.BACKUP: 1, gated.SECOND: 2}
    (repair,) = found.repairs
    assert repair.metric_without == pytest.approx(1, abs=1e-6)
    assert repair.metric_beyond == pytest.approx(0, abs=1e-6)
    assert repair.repaired == pytest.approx(1, abs=1e-6)


def test_a_model_without_a_backup_has_none():
    for model, questions, primary in (
        (built(backups=0), gated.gated_questions(), gated.PRIMARY),
        (Model.build(handbuilt.induction_model()), handbuilt.induction_questions(),
         handbuilt.INDUCTION),
    ):  # fmt: skip
        found = pellucid.backups(model, questions, [primary])
        assert not found.names
        assert found.repairs[0].metric_without == pytest.approx(0, abs=0.05)


def random_question(seed: int) -> tuple[Model, ContrastBatch]:
    """A GPT-2 of random weights, and eight questions that mean nothing to it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = GPT2Config(n_embd=96, n_layer=6, n_head=12, vocab_size=200, n_positions=32)
        model = Model.build(GPT2LMHeadModel(config).eval())
        prompts = torch.randint(3, 200, (8, 12)).tolist()
    asked = [Contrast(r, [*r[:4], (r[4] + 50) % 200, *r[5:]], 7, 9) for r in prompts]
    return model, ContrastBatch(tuple(asked))


def test_random_weights_seldom_have_backups_of_their_strongest_heads():
    """One in twenty may; of twelve, four or more would in two of a thousand."""
    found = []
    for seed in range(12):
        model, questions = random_question(seed)
        frame = pellucid.attribute(model, questions).to_frame().query("kind == 'head'")
        circuit = frame.nlargest(3, "estimate")["node"].tolist()
        repair = pellucid.backups(model, questions, circuit, budget=10_000, controls=19)
        assert repair.grew
        found.append(bool(repair.names))
    assert sum(found) < 4


def test_limits_are_those_of_a_permutation_test():
    """Of numbers drawn alike, the first is above its limit as often as the level says."""
    generator, above = torch.Generator().manual_seed(0), 0
    for _ in range(2000):
        drawn = torch.rand(2, 20, generator=generator).pow(torch.tensor([[1.0], [4.0]]))
        (one, other), p = _limits(drawn.tolist(), allowed=1)
        claimed = bool(drawn[0, 0] > one) or bool(drawn[1, 0] > other)
        assert claimed == (p == pytest.approx(1 / 20))
        above += claimed
    assert above / 2000 == pytest.approx(0.05, abs=0.015)


def by_hand(model: Model, contrast: Contrast, replaced: dict, scaled: tuple | None) -> float:
    """The metric of a tiny model with plain hooks: heads' z set, and one head's z moved."""
    handles = []
    for layer, block in enumerate(model.module.layers):

        def hook(module, args, layer=layer):
            z = args[0].unflatten(-1, (4, -1)).clone()
            for (at, head), value in replaced.items():
                if at == layer:
                    z[:, :, head] = value
            if scaled is not None and scaled[0] == layer:
                _, head, toward, weight = scaled
                z[:, :, head] = toward + weight * (z[:, :, head] - toward)
            return (z.flatten(-2),)

        handles.append(block.attention.o_proj.register_forward_pre_hook(hook))
    with torch.no_grad():
        logits = model.module(torch.tensor([contrast.clean])).logits[0, -1]
    for handle in handles:
        handle.remove()
    return float(logits[contrast.answer] - logits[contrast.foil])


@pytest.mark.parametrize("ablation", ALL)
@pytest.mark.parametrize("variety", ["rms", "grouped", "parallel"])
def test_conditional_estimates_are_finite_differences_of_ablated_runs(variety, ablation, pair):
    model = tiny_model(VARIETIES[variety])
    trace = pellucid.record(model, pair)
    values = replacements(trace, ablation, node_sites(model))
    held = resolve_nodes(model, ["L0H1", "L1H2", "L1H3"])
    nodes = replaceable(model, "heads")
    found = estimates_given(model, trace, [frozenset(), frozenset(held)], nodes, values)
    z = {node: values[pellucid.Site("z", node.layer)][0, :, node.head] for node in nodes}
    replaced = {(node.layer, node.head): z[node] for node in held}
    for node, estimate in zip(nodes, found.estimate[1, 0].tolist(), strict=True):
        if node in held:
            assert estimate == 0
            continue
        up, down = (
            by_hand(model, pair, replaced, (node.layer, node.head, z[node], 1 + step))
            for step in (1e-5, -1e-5)
        )
        assert estimate == pytest.approx((up - down) / 2e-5, abs=1e-7)


def test_estimates_with_nothing_replaced_are_those_of_the_recording(tiny, batch):
    trace = pellucid.record(tiny, batch)
    values = replacements(trace, "corrupted", node_sites(tiny))
    run = estimates_given(tiny, trace, [frozenset(), frozenset()], tiny.nodes, values)
    recorded = intact_estimates(trace, tiny.nodes, values)
    torch.testing.assert_close(run.metric, trace.metric_clean.expand(2, -1))
    torch.testing.assert_close(run.estimate, recorded.expand(2, -1, -1))
    atp = pellucid.attribute(tiny, batch, method="atp", trace=trace)
    torch.testing.assert_close(recorded, atp.per_example)


def test_measured_effects_are_those_of_plain_hooks(pair):
    model = tiny_model(VARIETIES["rms"])
    found = pellucid.backups(
        model, pair, ["L0H1"], ablations=("zero",), share=1e-6, controls=0, rounds=1
    )
    assert len(found.looked_at) > 1
    whole, less = by_hand(model, pair, {}, None), by_hand(model, pair, {(0, 1): 0.0}, None)
    for growth in found.looked_at:
        if growth.others:
            continue
        u = (growth.node.layer, growth.node.head)
        before = whole - by_hand(model, pair, {u: 0.0}, None)
        after = less - by_hand(model, pair, {(0, 1): 0.0, u: 0.0}, None)
        assert growth.effect_before == pytest.approx(before, abs=1e-10)
        assert growth.effect_after == pytest.approx(after, abs=1e-10)


def test_what_is_repaired_is_what_holding_the_backups_costs(pair):
    model = tiny_model(VARIETIES["grouped"])
    settings = {"ablations": ("zero",), "share": 1e-6, "controls": 0}
    found = pellucid.backups(model, pair, ["L0H1", "L1H0"], **settings)
    (repair,) = found.repairs
    trace = pellucid.record(model, pair)
    held = {}
    for growth in found.grew:
        layer, head = growth.node.layer, growth.node.head
        held[layer, head] = trace.clean[pellucid.Site("z", layer)][0, :, head]
    assert {1, 2} <= {layer for layer, _ in held}  # one beside a replaced head, one above both
    replaced = {(0, 1): 0.0, (1, 0): 0.0}
    wanted = by_hand(model, pair, replaced, None) - by_hand(model, pair, held | replaced, None)
    assert repair.repaired == pytest.approx(wanted, abs=1e-10)


def test_an_mlp_that_steps_in_is_held_back_too(pair):
    model = tiny_model(VARIETIES["rms"])
    found = pellucid.backups(
        model, pair, ["L0H1", "M0"], over="heads+mlps", ablations=("zero",), share=1e-6, controls=0
    )
    assert "mlp" in {growth.node.kind for growth in found.grew}
    trace, held = pellucid.record(model, pair), {growth.node for growth in found.grew}
    handles = []
    for layer, block in enumerate(model.module.layers):

        def attention(module, args, layer=layer):
            z = args[0].unflatten(-1, (4, -1)).clone()
            for head in range(4):
                if pellucid.Node("head", layer, head) in held:
                    z[:, :, head] = trace.clean[pellucid.Site("z", layer)][:, :, head]
                if (layer, head) == (0, 1):
                    z[:, :, head] = 0
            return (z.flatten(-2),)

        def mlp(module, args, output, layer=layer):
            if pellucid.Node("mlp", layer) in held:
                return trace.clean[pellucid.Site("mlp_out", layer)]
            return torch.zeros_like(output) if layer == 0 else output

        handles.append(block.attention.o_proj.register_forward_pre_hook(attention))
        handles.append(block.mlp.register_forward_hook(mlp))
    with torch.no_grad():
        logits = model.module(torch.tensor([pair.clean])).logits[0, -1]
    for handle in handles:
        handle.remove()
    (repair,) = found.repairs
    held_back = float(logits[pair.answer] - logits[pair.foil])
    assert repair.repaired == pytest.approx(repair.metric_without - held_back, abs=1e-10)


def test_it_works_in_inference_mode_and_leaves_nothing_behind(one_tiny, pair):
    outside = pellucid.backups(one_tiny, pair, ["L0H1"], controls=2)
    with torch.inference_mode():
        inside = pellucid.backups(one_tiny, pair, ["L0H1"], controls=2)
    assert inside == outside
    assert all(p.grad is None and p.requires_grad for p in one_tiny.module.parameters())
    assert not any(module._forward_hooks for module in one_tiny.module.modules())


def test_the_budget_is_kept_and_what_it_cuts_off_is_not_claimed():
    model, questions = built("content", 2), gated.gated_questions()
    whole = pellucid.backups(model, questions, [gated.PRIMARY]).passes.forwards
    for budget in range(3, whole, 9):
        found = pellucid.backups(model, questions, [gated.PRIMARY], budget=budget)
        assert found.passes.forwards <= budget + 2
        for repair in found.repairs:
            shown = {g.node.name for g in found.found if g.ablation == repair.ablation}
            assert shown == ({gated.BACKUP, gated.SECOND} if repair.settled else set())
            assert repair.settled or "budget ended" in repair.note


def test_rounds_that_end_early_are_said():
    found = pellucid.backups(
        built("presence", 2), gated.gated_questions(), [gated.PRIMARY], rounds=1
    )
    assert found.repairs[0].note == "nodes were still growing in round 1"
    assert not found.repairs[0].settled


def test_it_is_saved_tabled_and_told(tmp_path):
    found = pellucid.backups(built(), gated.gated_questions(), [gated.PRIMARY])
    assert Backups.load(found.save(tmp_path / "backups")) == found
    assert found.to_frame().loc[0, ["node", "ablation", "role"]].tolist() == [
        gated.BACKUP, "zero", "takes over",
    ]  # fmt: skip
    assert found.misestimate < 0.02
    assert "L2H1" in str(found)
    none = pellucid.backups(built(backups=0), gated.gated_questions(), [gated.PRIMARY])
    assert none.misestimate is None
    assert none.to_frame().empty


def test_what_cannot_be_asked_is_refused(one_tiny, pair):
    with pytest.raises(EditError, match="embed cannot be"):
        pellucid.backups(one_tiny, pair, ["embed"])
    with pytest.raises(EditError, match="has no nodes"):
        pellucid.backups(one_tiny, pair, [])
    with pytest.raises(EditError, match="No part named"):
        pellucid.backups(one_tiny, pair, ["L9H9"])
    with pytest.raises(TaskError, match="kl"):
        pellucid.backups(one_tiny, pair, ["L0H1"], metric="kl")
    for settings in ({"ablations": ()}, {"share": 0}, {"controls": -1}, {"rounds": 0}):
        with pytest.raises(EditError, match="at least 1 round"):
            pellucid.backups(one_tiny, pair, ["L0H1"], **settings)
    with pytest.raises(EditError, match="not known"):
        pellucid.backups(one_tiny, pair, ["L0H1"], ablations=("median",))
    with pytest.raises(BudgetError):
        pellucid.backups(one_tiny, pair, ["L0H1"], budget=2)


def test_an_analysis_names_what_steps_in():
    result = pellucid.analyze(built("content"), gated.gated_questions(), controls=19)
    assert result.circuit.names == (gated.PRIMARY,)
    assert result.backups.names == (gated.BACKUP,)
    assert re.search(r"L2H1 +corrupted +[+-]0\.000 +\+1\.000  takes over", str(result))


def test_without_controls_growth_is_told_and_no_backup_claimed():
    result = pellucid.analyze(built("content"), gated.gated_questions())
    assert result.backups.names == ()
    assert {growth.node.name for growth in result.backups.grew} == {gated.BACKUP}
    assert re.search(r"L2H1 +corrupted +[+-]0\.000 +\+1\.000  not compared", str(result))
    assert "no backup is claimed" in " ".join(str(result).split())


def test_the_category_says_which_parts_step_in():
    model, questions = built("content"), gated.gated_questions()
    result = pellucid.analyze(model, questions, controls=3)
    word = replace(result.over_heads, category="backup_mechanisms")
    result = replace(result, over_heads=word)
    said = " ".join(caveats_of(result, ()))
    assert re.search(r"What steps in: L2H1 takes over \(\S+ to \+1\.00\)", said)
    none = replace(result, backups=replace(result.backups, looked_at=()))
    assert "No single node was found to step in under corrupted" in " ".join(caveats_of(none, ()))


def test_an_analysis_without_a_circuit_or_a_gradient_looks_for_nothing(one_tiny, pair):
    other = Contrast(pair.clean, pair.corrupted, pair.foil, pair.answer)
    results = [pellucid.analyze(one_tiny, one) for one in (pair, other)]
    assert any(not result.circuit.nodes and result.backups is None for result in results)
    told = {"metric": "kl", "method": "mask-ig", "insist": True}
    assert pellucid.analyze(built("content"), gated.gated_questions(), **told).backups is None


@pytest.mark.smol
def test_heads_that_oppose_mary_oppose_her_less_once_she_is_not_written(smol):
    found = pellucid.backups(smol, IOI, ["L23H3", "L29H1"], ablations=("corrupted",))
    assert found.names == ("L24H4", "L29H0")
    assert {growth.role for growth in found.found} == {"opposes less"}
