"""Probes of a whole model: what is there is found, what is not is not, and is it used?"""

import numpy as np
import pytest
import torch

import pellucid
from pellucid import Contrast, EditError, Probe, TaskError
from pellucid.probing import fit
from pellucid.probing.controls import random_weight_model
from tests.models.every_call import state_of, tiny_llama
from tests.models.small import tiny

QUICK = {"sites": ["L0 resid_pre", "L1 resid_pre"], "shuffles": 1, "sizes": (1, None)}


@pytest.fixture(scope="module")
def model():
    return pellucid.load(tiny_llama())


@pytest.fixture(scope="module")
def examples():
    """Texts of four tokens; the last says which of two classes, the others say nothing."""
    rng = np.random.default_rng(0)
    texts = [[*rng.integers(10, 50, 3).tolist(), 5 if i % 2 else 6] for i in range(48)]
    return texts, ["five" if i % 2 else "six" for i in range(48)]


@pytest.fixture(scope="module")
def found(model, examples):
    other = [[1, 2, 5], [1, 2, 6], [3, 5], [3, 6]], ["five", "six"] * 2
    return pellucid.probe(model, *examples, **QUICK, other=other)


def test_what_a_token_is_can_be_read_and_shuffled_labels_cannot(found):
    rows = {(row.layer, row.k): row for row in found.rows}
    assert rows[0, 32].auroc == 1.0
    assert rows[0, 32].low == 1.0
    assert rows[0, 32].balanced_accuracy == 1.0
    assert rows[0, 32].out_of_distribution == 1.0
    assert rows[0, 32].random_model == 1.0  # a token's embedding is its own, learned or not
    assert found.bag_of_words == 1.0
    assert 0.2 < np.mean([row.shuffled for row in found.rows]) < 0.8
    assert found.majority == 0.5
    assert found.labels == ("five", "six")
    assert (found.n_train, found.n_test) == (32, 16)
    assert found.few["8 labels"] > 0.8


def test_what_is_not_there_is_not_found(model, examples):
    rng = np.random.default_rng(3)
    random = [str(one) for one in rng.permutation(["a", "b"] * 24)]
    null = pellucid.probe(model, examples[0], random, **QUICK, random_model=False)
    assert all(row.low < 0.5 < row.high or row.auroc < 0.7 for row in null.rows)


def test_the_estimator_is_scikit_learn_s_decision_and_is_saved_without_pickle(
    model, examples, found, tmp_path
):
    texts, labels = examples
    best = found.rows[found.best]
    read = pellucid.activations(model, texts, best.site)
    values = read[best.site][read.starts[1:] - 1]
    assert found.score(values, labels) == 1.0
    assert list(found.predict(values)) == labels
    path = found.save(tmp_path / "probe")
    assert {one.suffix for one in path.iterdir()} <= {".json", ".safetensors"}
    again = Probe.load(path)
    torch.testing.assert_close(again.decision_function(values), found.decision_function(values))
    assert again.to_frame().equals(found.to_frame())
    with pytest.raises(TaskError, match=r"give \[example, 32\]"):
        found.predict(values[:, :3])
    with pytest.raises(TaskError, match="labels hold 'x'"):
        found.score(values, ["x"] * len(values))


def test_places_are_sites_and_positions_and_are_drawn(model, examples, found):
    each = pellucid.probe(
        model, *examples, sites="resid_pre", positions=[0, -1], sizes=(None,), shuffles=0,
        random_model=False,
    )  # fmt: skip
    rows = {(row.layer, row.position): row.auroc for row in each.rows}
    assert rows[0, "-1"] == 1.0
    assert rows[0, "0"] < 0.9
    for one in (each, found):
        assert one.plot().axes
        assert max(map(len, str(one).splitlines())) <= 80
        assert one.story()[0].sentences


def test_a_probe_that_does_not_converge_gives_no_figure(model, examples, monkeypatch):
    monkeypatch.setattr(fit, "MAX_ITER", 1)
    with pytest.raises(TaskError, match="None of the 2 probes converged"):
        pellucid.probe(model, *examples, **{**QUICK, "sites": "L0 resid_pre"})


def test_the_random_model_holds_the_same_numbers_and_the_model_is_as_it_was(model):
    state = state_of(model.module)
    made = random_weight_model(model, 0)
    assert state_of(model.module) == state
    for own, other in zip(model.module.parameters(), made.module.parameters(), strict=True):
        assert torch.equal(own.flatten().sort().values, other.flatten().sort().values)
        assert own.ndim < 2 or not torch.equal(own, other)


def test_taking_the_direction_away_is_a_product_at_the_end_of_a_linear_model():
    opened = tiny("attention-only")
    last = opened.anatomy.n_layers
    rng = np.random.default_rng(1)
    texts = [rng.integers(0, 30, 4).tolist() for _ in range(24)]
    made = pellucid.probe(
        opened, texts, ["a", "b"] * 12, sites=pellucid.Site("resid_pre", last), sizes=(None,),
        shuffles=0, random_model=False,
    )  # fmt: skip
    question = Contrast([3, 7, 11], [3, 7, 5], 6, 8)
    effect = pellucid.probe_effect(opened, made, question, random_directions=3)
    stream = pellucid.activations(opened, [question.clean], pellucid.Site("resid_pre", last))
    along = made.direction
    part = stream.values[pellucid.Site("resid_pre", last)][-1] @ along
    middle = made.mean @ along
    unembed = opened.module.lm_head.weight.detach()
    wanted = float((part - middle) * ((unembed[6] - unembed[8]) @ along))
    assert effect.effect == pytest.approx(wanted, rel=1e-6)
    assert effect.random_effects.shape == (3,)
    assert 0 < effect.p_value <= 1
    assert max(map(len, str(effect).splitlines())) <= 80


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"labels": ["a"] * 48}, TaskError, "of 1 kinds"),
        ({"labels": ["a", "b"]}, TaskError, "48 texts and 2 labels"),
        ({"sites": "nowhere"}, EditError, "No site"),
        ({"positions": 9}, EditError, "some texts are shorter"),
        ({"test_share": 0.9}, TaskError, "test_share=0.9"),
        ({"sizes": (0,)}, TaskError, "sizes="),
        ({"other": ([[1]], ["x"])}, TaskError, "of 1 kinds"),
    ],
)
def test_what_cannot_be_is_refused(model, examples, change, error, says):
    asked = {"texts": examples[0], "labels": examples[1], **QUICK, "random_model": False}
    with pytest.raises(error, match=says):
        pellucid.probe(model, **{**asked, **change})


def test_the_command_probes_and_plans(run, tmp_path):
    lines = [f"the {w} {n},{n}" for w in ("a", "b", "c", "d") for n in ("Mary", "John")]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *lines]))
    words = ["probe", str(tmp_path / "t.csv"), "--site", "L1 resid_pre", "--no-random-model"]
    code, out, err = run(*words, question=False)
    assert code == 0, err
    assert "a bag of words" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, err = run(*words, "--plan", question=False)
    assert code == 0, err
    assert "8 forwards: texts, read" in out
