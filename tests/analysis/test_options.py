"""Options of an analysis: the same for both calls, checked before anything is run."""

import inspect
from dataclasses import FrozenInstanceError, fields

import pytest

import pellucid
from pellucid.analysis.options import AnalysisOptions
from pellucid.errors import EditError, TaskError
from pellucid.passes import metering


@pytest.mark.parametrize("call", [pellucid.analyze, pellucid.study])
def test_both_calls_show_every_option_with_its_default(call):
    shown = inspect.signature(call).parameters
    for field in fields(AnalysisOptions):
        assert shown[field.name].default == field.default
        assert shown[field.name].kind is inspect.Parameter.KEYWORD_ONLY
    assert "options" not in shown


WRONG = [
    (TaskError, {"method": "eap"}, "method='eap' is not known; choose one of"),
    (EditError, {"search": "best"}, "search='best' is not known"),
    (EditError, {"over": "tails"}, "over='tails' is not known"),
    (EditError, {"ablation": "noise"}, "ablation='noise' is not known"),
    (EditError, {"target": 0}, "a target above 0"),
    (EditError, {"target": 1.5}, "up to 1"),
    (EditError, {"random_sets": -1}, "no fewer than 0 random sets"),
    (TaskError, {"metric": "loss"}, "No metric is called 'loss'"),
    (TaskError, {"metric": "kl"}, "Use method='mask-ig' or 'ig'"),
    (TypeError, {"budegt": 3}, "Did you mean 'budget'"),
]


@pytest.mark.parametrize(("error", "option", "said"), WRONG, ids=lambda x: str(x)[:40])
def test_a_wrong_option_is_refused_before_the_model_is_run(one_tiny, pair, error, option, said):
    with metering() as meter:
        with pytest.raises(error, match=said):
            pellucid.analyze(one_tiny, pair, **option)
        with pytest.raises(error, match=said):
            pellucid.study(one_tiny, [pair], **option)
    assert not meter.passes.forwards


def test_options_are_frozen_and_know_what_was_changed():
    options = AnalysisOptions(seed=3, method="mask-ig", metric="kl", over="heads")
    assert options.changed == {"method": "mask-ig", "metric": "kl", "seed": 3}
    assert list(options.changed) == ["method", "metric", "seed"]
    assert AnalysisOptions().changed == {}
    with pytest.raises(FrozenInstanceError):
        options.seed = 4


def test_the_call_that_is_written_down_names_what_was_changed(one_tiny, pair):
    found = pellucid.analyze(one_tiny, pair, budget=40, seed=2, insist=True)
    said = " ".join(found.provenance.command.split())
    assert said.endswith("budget=40, seed=2, insist=True, )")
    assert pellucid.analyze(one_tiny, pair, command="typed").provenance.command == "typed"
