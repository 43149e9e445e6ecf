"""A study that fails, is interrupted or killed keeps what is done, and goes on from there."""

import os
import sys

import pytest
import torch

import pellucid
from pellucid import Contrast, Model, NonFiniteError, TaskError, study
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.results.disk.writers import Nursery

module = sys.modules["pellucid.studies.study"]
OPTIONS = {"insist": True, "random_sets": 0}


@pytest.fixture(scope="module")
def asked() -> dict[str, Contrast]:
    return questions()


def questions() -> dict[str, Contrast]:
    """Three questions, which differ in the third token."""
    third = {"one": 3, "two": 7, "three": 8}
    return {
        name: Contrast([1, 2, token, 4, 5, 6], [1, 2, 9, 4, 5, 6], 11, 13)
        for name, token in third.items()
    }


def failing(logits, encoded):
    """A metric that is not a number for the third question."""
    value = logits[..., 0, 11] - logits[..., 0, 13]
    return value * float("nan") if int(encoded.clean[0, 2]) == 8 else value


def test_the_question_that_failed_is_named_and_those_before_it_stay(one_tiny, asked):
    with pytest.raises(NonFiniteError, match=r"^three: ") as met:
        study(one_tiny, asked, metric=failing, **OPTIONS)
    finished = met.value.finished
    assert finished.names == ("one", "two")
    alone = pellucid.analyze(one_tiny, asked["two"], metric=failing, **OPTIONS)
    assert torch.equal(finished.analyses[1].attribution.estimate, alone.attribution.estimate)
    with pytest.raises(NonFiniteError, match=r"^three: ") as met:
        study(one_tiny, {"three": asked["three"]}, metric=failing, **OPTIONS)
    assert met.value.finished is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_what_others_raise_carries_those_before_it(one_tiny, asked, kind, monkeypatch):
    monkeypatch.setattr(module, "analyze", raising(kind, after=1))
    with pytest.raises(kind) as met:
        study(one_tiny, asked, **OPTIONS)
    assert met.value.finished.names == ("one",)
    assert "question two" in met.value.__notes__[0]


def raising(kind, *, after):
    """``analyze``, which raises from its call number ``after`` on."""
    calls = iter([pellucid.analyze] * after)

    def call(*arguments, **options):
        for real in calls:
            return real(*arguments, **options)
        raise kind

    return call


def counted(calls):
    def call(model, contrast, **options):
        calls.append(contrast)
        return pellucid.analyze(model, contrast, **options)

    return call


def test_it_goes_on_from_what_is_kept_and_takes_nothing_of_something_else(
    one_tiny, asked, monkeypatch, tmp_path
):
    keep = tmp_path / "study"
    whole = study(one_tiny, asked, **OPTIONS)
    with monkeypatch.context() as stopping:
        stopping.setattr(module, "analyze", raising(KeyboardInterrupt, after=2))
        with pytest.raises(KeyboardInterrupt):
            study(one_tiny, asked, keep=keep, **OPTIONS)
    (hidden,) = os.listdir(tmp_path)
    assert hidden.startswith(".")
    calls = []
    monkeypatch.setattr(module, "analyze", counted(calls))
    with monkeypatch.context() as stopping:
        stopping.setattr(module, "analyze", raising(KeyboardInterrupt, after=0))
        with pytest.raises(KeyboardInterrupt) as met:
            study(one_tiny, asked, keep=keep, **OPTIONS, seed=3)
    assert met.value.finished is None  # the seed is another
    (damaged, *_) = sorted((tmp_path / hidden).iterdir())
    (damaged / "result.json").write_text("{}")
    found = study(one_tiny, dict(reversed(asked.items())), keep=keep, **OPTIONS)
    assert len(calls) == 2
    assert found.names == tuple(reversed(asked))
    for mine, theirs in zip(found.analyses[::-1], whole.analyses, strict=True):
        assert mine.circuit.nodes == theirs.circuit.nodes
        assert torch.equal(mine.attribution.estimate, theirs.attribution.estimate)
    assert os.listdir(tmp_path) == []


SETUP = """
import signal
import pellucid
from pellucid.studies.kept import Kept
from tests.studies.test_kept import OPTIONS, questions
from tests.models.questions import VARIETIES, tiny_model
model = tiny_model(VARIETIES["grouped"])
"""
UNTIL_KILLED = (
    SETUP,
    """
pellucid.study(model, questions(), keep=sys.argv[1], **OPTIONS).save(sys.argv[1])
""",
)
DYING = (
    SETUP
    + """
keep = Kept.keep
def keep_and_die(self, contrast, analysis):
    keep(self, contrast, analysis)
    os.kill(os.getpid(), signal.SIGKILL)
Kept.keep = keep_and_die
""",
    """
asked = dict(list(questions().items())[:2])
pellucid.study(model, asked, keep=sys.argv[1], **OPTIONS).save(sys.argv[1])
""",
)


def test_a_killed_study_goes_on_until_it_is_whole(one_tiny, asked, tmp_path):
    target = tmp_path / "study"
    with Nursery(DYING, target) as nursery:
        assert [nursery.killed_after(None) for _ in range(3)] == [True, True, False]
    asked = dict(list(asked.items())[:2])
    whole, found = study(one_tiny, asked, **OPTIONS), pellucid.Study.load(target)
    assert found.names == whole.names
    for mine, theirs in zip(found.analyses, whole.analyses, strict=True):
        assert torch.equal(mine.attribution.estimate, theirs.attribution.estimate)
    assert os.listdir(tmp_path) == ["study"]


def test_what_is_kept_of_other_weights_is_not_taken(one_tiny, asked, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "analyze", raising(KeyboardInterrupt, after=1))
    with pytest.raises(KeyboardInterrupt):
        study(one_tiny, asked, keep=tmp_path / "s", **OPTIONS)
    other = Model.build(TinyTransformer(TinyConfig(), seed=9).eval())
    with pytest.raises(KeyboardInterrupt) as met:
        study(other, asked, keep=tmp_path / "s", **OPTIONS)
    assert met.value.finished is None


def test_a_metric_without_a_name_cannot_be_kept(one_tiny, asked, tmp_path):
    with pytest.raises(TaskError, match="keep= needs a metric that has a name"):
        study(one_tiny, asked, metric=failing, keep=tmp_path / "s", **OPTIONS)
    assert os.listdir(tmp_path) == []
