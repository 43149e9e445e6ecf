"""Every result says how it was made: which model, asked what, with which options, at what cost."""

import inspect
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import pellucid
from pellucid import Contrast, ContrastBatch, Result
from pellucid.results.checksum import signed
from pellucid.results.passes import Passes
from pellucid.run.provenance import command, plain_value, with_provenance
from tests.models.every_call import (
    FOUR,
    LEARNED,
    PAIRS,
    STEERED,
    TEXTS,
    dictionary_of,
    probe_of,
)
from tests.models.readable import small_llama


@pytest.fixture(scope="module")
def one():
    return small_llama(vocab_size=16)


IDS = {"clean": (3, 7, 11, 2, 9, 4), "corrupted": (3, 7, 5, 2, 9, 4), "answer": 6, "foil": 8}


ASKED_NOTHING = (
    "composition", "head_roles", "steering_vector", "steer", "probe", "describe_latents",
    "evaluate_dictionary",
)  # fmt: skip
"""Calls that are of no contrast and no prompt."""


def every_call(model, pair):
    p = pellucid
    scores = p.attribute_edges(model, pair, method="eap")
    edges = p.discover_edges(model, pair, method="top", size=5, insist=True)
    vector, probed = p.steering_vector(model, PAIRS), probe_of(model)
    dictionary = dictionary_of(model)
    return {
        "attribute": lambda: p.attribute(model, pair, method="ig", steps=4),
        "patch": lambda: p.patch(model, pair, sites="nodes", only=["L0H1", "M1"]),
        "attribute_edges": lambda: p.attribute_edges(model, pair, method="eap"),
        "patch_edges": lambda: p.patch_edges(model, pair, edges=[("L0H1", "M1")]),
        "attention": lambda: p.attention(model, pair.clean),
        "composition": lambda: p.composition(model),
        "head_roles": lambda: p.head_roles(model, sequences=2, length=8, nulls=1, controls=1),
        "direct_effects": lambda: p.direct_effects(model, pair),
        "logit_lens": lambda: p.logit_lens(model, pair.clean),
        "generate": lambda: p.generate(model, pair.clean, max_new_tokens=2),
        "probe": lambda: probe_of(model),
        "probe_effect": lambda: p.probe_effect(model, probed, pair, random_directions=1),
        "ablate": lambda: p.ablate(model, pair.clean, pair.answer, sites="mlps"),
        "interchange": lambda: p.interchange(model, pair, "L1 z", draws=1),
        "das": lambda: p.das(model, FOUR, "L1 z", **LEARNED),
        "steering_vector": lambda: p.steering_vector(model, PAIRS),
        "steer": lambda: p.steer(model, vector, [[1, 2]], 3, 4, instruction=[5, 6], **STEERED),
        "neurons": lambda: p.neurons(model, pair, 1),
        "attribute_features": lambda: p.attribute_features(model, pair, dictionary, top=2),
        "describe_latents": lambda: p.describe_latents(model, dictionary, TEXTS, top=2),
        "evaluate_dictionary": lambda: p.evaluate_dictionary(model, dictionary, TEXTS),
        "token_attribution": lambda: p.token_attribution(model, pair),
        "discover": lambda: p.discover(model, pair, insist=True),
        "faithfulness": lambda: p.faithfulness(model, pair, ["L0H1"]),
        "backups": lambda: p.backups(model, pair, ["L0H1"], controls=0),
        "discover_edges": lambda: p.discover_edges(model, pair, method="top", size=5, insist=True),
        "edge_curve": lambda: p.edge_curve(model, pair, scores, fractions=(0.1, 1.0)),
        "edge_faithfulness": lambda: p.edge_faithfulness(model, pair, edges),
        "analyze": lambda: p.analyze(model, pair, insist=True),
        "study": lambda: p.study(model, {"a": pair}, insist=True),
    }


def test_every_public_call_writes_down_how_its_result_was_made(one, pair):
    for name, call in every_call(one, pair).items():
        begun = datetime.now(UTC)
        with pellucid.passes.metering() as meter:
            found = call()
        made = found.provenance
        assert made.call == name
        assert made.weight_hash == one.weight_hash
        assert (made.model, made.pellucid) == (one.name, pellucid.__version__)
        assert made.passes == meter.passes
        assert getattr(found, "passes", made.passes) == made.passes, name
        assert 0 < made.seconds < 60
        assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(made.created)
        assert datetime.fromisoformat(made.created) >= begun - timedelta(seconds=1)
        if name in ("attention", "logit_lens", "generate"):
            assert made.question == ({"prompt": IDS["clean"]},)
        elif name in ASKED_NOTHING:
            assert made.question == ()
        elif name == "ablate":
            assert made.question == ({"prompt": IDS["clean"], "answer": IDS["answer"]},)
        elif name == "das":
            assert len(made.question) == 4
        else:
            assert made.question == (IDS,), name
        again = Result.from_json(found.to_json())
        assert again.provenance == made
        assert "weight_hash" not in repr(found)
        assert made.seed == made.options.get("seed")


def test_every_public_call_that_gives_a_result_is_covered(one, pair):
    named = set(every_call(one, pair))
    giving = set()
    for name in pellucid.__all__:
        value = getattr(pellucid, name)
        if inspect.isfunction(value):
            gives = inspect.signature(value).return_annotation
            gives = getattr(pellucid, gives, None) if isinstance(gives, str) else gives
            if isinstance(gives, type) and issubclass(gives, Result):
                giving.add(name)
                assert value.__wrapped__ is not None
    of_no_model = {"read_circuit", "read_dictionary", "fit_dictionary"}
    assert giving - of_no_model == named


def test_options_are_written_with_their_defaults_and_the_command_without(one, pair):
    made = pellucid.attribute(one, pair, method="ig", steps=8).provenance
    defaults = {"metric": "logit_diff", "trace": None, "parts": None}
    assert made.options == {"method": "ig", "steps": 8} | defaults
    assert made.command == "pellucid.attribute(model, contrast, method='ig', steps=8)"

    def twice(trace):
        return 2 * trace

    assert plain_value(twice) == "twice"
    assert plain_value(["L0H1", pellucid.Node("mlp", 1)]) == "L0H1, M1"
    assert plain_value(range(3)) == "0, 1, 2"
    assert plain_value(one) == "Model"


def test_a_batch_and_words_are_written_as_they_were_given(one, pair):
    other = Contrast([1, 2, 3, 4, 5, 6], [1, 2, 9, 4, 5, 6], 10, 11)
    batch = ContrastBatch((pair, other))
    assert len(pellucid.attribute(one, batch).provenance.question) == 2
    made = pellucid.analyze(
        one, prompt=pair.clean, corrupted=pair.corrupted, answer=6, foil=8, insist=True
    ).provenance
    assert made.question == (
        {"prompt": IDS["clean"], "corrupted": IDS["corrupted"], "answer": 6, "foil": 8},
    )
    assert "prompt" not in made.options


def test_results_inside_a_result_say_it_too(one_tiny, pair):
    found = pellucid.analyze(one_tiny, pair, insist=True)
    for inside in (found.attribution, found.circuit, found.over_heads, found.patches):
        assert inside.provenance.weight_hash == one_tiny.weight_hash
    assert found.circuit.provenance.call == "discover"
    assert found.passes == found.provenance.passes


def test_files_without_provenance_are_read_and_equality_does_not_look_at_it(one, pair):
    found = pellucid.discover(one, pair, insist=True)
    body = json.loads(found.to_json())
    del body["fields"]["provenance"]
    early = Result.from_json(json.dumps(signed(body)))
    assert early.provenance is None
    assert early == found
    assert replace(found, provenance=None) == found
    body = json.loads(pellucid.analyze(one, pair, insist=True).to_json())
    inside = body["fields"]["provenance"]["fields"]
    for name in ("call", "question", "options", "passes", "seconds"):
        del inside[name]
    made = Result.from_json(json.dumps(signed(body))).provenance
    assert (made.call, made.question, made.options, made.passes) == ("", (), {}, Passes())


def test_shares_beside_effects_keep_how_the_shares_were_made(one, pair):
    shares = pellucid.direct_effects(one, pair)
    beside = shares.compare(pellucid.patch(one, pair))
    assert beside.provenance == shares.provenance


def test_a_call_without_a_model_names_none(one, pair, tmp_path):
    edges = pellucid.discover_edges(one, pair, method="top", size=5, insist=True)
    file = edges.export(tmp_path / "circuit.json", format="eap-ig")
    made = pellucid.read_circuit(file).provenance
    assert (made.model, made.weight_hash) == ("", "")
    assert made.options["path"] == str(file)


def test_an_error_passes_through():
    @with_provenance
    def call(model):
        """Refuses."""
        raise pellucid.TaskError("no")

    with pytest.raises(pellucid.TaskError, match="no"):
        call(None)
    assert call.__doc__ == "Refuses."


def test_the_command_names_what_is_longer_than_a_number():
    def call(model, contrast, *, only=None, seed=0):
        pass

    given = {"model": 1.5, "contrast": (1, 2), "only": ["a"], "seed": 0}
    said = command(call, inspect.signature(call), given)
    assert said == "pellucid.call(1.5, contrast, only=only)"
