"""Parts that work against the answer: found, kept in, and told of where they were left out."""

import pytest

import pellucid
from pellucid.circuit.nodes.circuit import replaceable
from pellucid.circuit.nodes.measure import SetMeasure
from pellucid.circuit.nodes.opponents import STRONG, opponents_of, oppose
from pellucid.errors import EditError
from pellucid.run.setup import Setup
from tests.models.questions import VARIETIES, tiny_model


@pytest.fixture(scope="module")
def asked(pair):
    """A model, a question with strong opponents, and effects of all its nodes."""
    for name in VARIETIES:
        model = tiny_model(VARIETIES[name])
        for question in (pair, other_way(pair)):
            effects = effects_of(model, question)
            whole = float(pellucid.record(model, question).difference)
            if whole > 0 and min(effects.values()) < -2 * STRONG * whole:
                return model, question, effects, whole
    raise AssertionError("no tiny model has an opponent")


def other_way(contrast):
    return pellucid.Contrast(contrast.clean, contrast.corrupted, contrast.foil, contrast.answer)


def effects_of(model, question):
    found = pellucid.patch(model, question, sites="nodes")
    places = zip(found.places, found.effect[0].tolist(), strict=True)
    return {place.name: effect for place, effect in places if place.kind != "embed"}


def test_strong_are_those_that_take_a_tenth_of_the_effect_away():
    effects = {"a": -0.19, "b": -0.21, "c": -1.0, "d": 5.0}
    assert oppose(effects, 2.0, noise=1e-6) == ("c", "b")
    assert oppose(effects, 1e-7, noise=1e-6) == ()
    assert oppose(effects, -2.0, noise=1e-6) == ()


def test_those_found_by_estimate_oppose_when_measured(asked):
    model, question, effects, whole = asked
    trace = pellucid.record(model, question)
    measure = SetMeasure(Setup(model=model, trace=trace), replaceable(model, "heads+mlps"))
    estimates = pellucid.attribute(model, question, trace=trace)
    by_node = dict(zip(estimates.nodes, estimates.estimate.tolist(), strict=True))
    found = opponents_of(measure, by_node)
    assert found
    assert all(effects[node.name] <= -STRONG * whole for node in found)


def test_sufficiency_with_opponents_is_that_of_both_together(asked):
    model, question, effects, whole = asked
    strongest, *_ = oppose(effects, whole, 0.0)
    members = [name for name in effects if name != strongest][:3]
    found = pellucid.faithfulness(
        model, question, members, over="heads+mlps", opponents=[strongest], random_sets=2
    )
    both = pellucid.faithfulness(model, question, [*members, strongest], over="heads+mlps")
    assert found.opponents == (strongest,)
    assert found.sufficiency_with_opponents == pytest.approx(both.sufficiency)
    assert len(found.random_same_layers) == 2


def test_a_circuit_with_opponents_kept_holds_them_and_reaches_the_target(asked):
    model, question, effects, whole = asked
    found = pellucid.discover(
        model, question, over="heads+mlps", opponents="kept", target=0.6, insist=True
    )
    against = [node.name for node in found.nodes if effects[node.name] <= -STRONG * whole]
    assert against
    assert found.sufficiency >= 0.6
    assert f"kept because they oppose the answer: {', '.join(against)}" in found.note
    assert not found.minimal
    with pytest.raises(EditError, match="only 'verified' keeps"):
        pellucid.discover(model, question, method="mfc", opponents="kept")


def test_an_analysis_names_those_left_out_with_what_is_left_with_them(asked):
    model, question, effects, whole = asked
    found = pellucid.analyze(model, question, over="heads+mlps", insist=True, random_sets=0)
    outside = [n for n in oppose(effects, whole, 0.0) if n not in found.circuit]
    assert set(found.faithfulness.opponents) == set(outside)
    assert "Nothing was compared with chance" in found.caveats[0]
    said = " ".join(found.caveats)
    for name in outside:
        assert f"{name} ({effects[name] / whole:+.0%})" in said
