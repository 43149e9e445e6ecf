"""What used to go wrong quietly, and must not again."""

import threading

import pytest
import torch

import pellucid
from pellucid import Contrast, ContrastBatch, Edit, EditError, Site, TaskError, TokenError
from pellucid.run.ablation import resampling
from pellucid.run.sites import node_sites, stream_sites
from tests.models.questions import IOI


def test_a_forward_override_of_the_users_own_survives(one_tiny, pair):
    block = one_tiny.module.layers[0]
    own = block.forward
    block.forward = lambda *args, **kwargs: own(*args, **kwargs)
    mine = block.forward
    try:
        pellucid.patch(one_tiny, pair, only="L2H1")
        assert block.__dict__["forward"] is mine
    finally:
        del block.forward


CALLS = {
    "record": pellucid.record,
    "attribute": pellucid.attribute,
    "patch": pellucid.patch,
    "discover": lambda *args: pellucid.discover(*args, insist=True),
    "faithfulness": lambda *args: pellucid.faithfulness(*args, ["L0H1"]),
    "analyze": lambda *args: pellucid.analyze(*args, insist=True),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@each_call
def test_a_model_that_was_not_opened_is_refused_with_what_to_do(call, one_tiny, pair):
    with pytest.raises(TaskError, match=r"of type TinyTransformer.*pellucid\.load\(model"):
        call(one_tiny.module, pair)


LENSES = {
    "logit_lens": lambda model: pellucid.logit_lens(model, [1, 2]),
    "attention": lambda model: pellucid.attention(model, [1, 2]),
    "composition": pellucid.composition,
    "head_roles": pellucid.head_roles,
    "neurons": lambda model: pellucid.neurons(model, Contrast([1, 2], [1, 3], 4, 5), 0),
    "token_attribution": lambda m: pellucid.token_attribution(m, Contrast([1, 2], [1, 3], 4, 5)),
    "backups": lambda model: pellucid.backups(model, Contrast([1, 2], [1, 3], 4, 5), ["L0H0"]),
}


@pytest.mark.parametrize("look", LENSES.values(), ids=LENSES.keys())
def test_lenses_too_refuse_a_model_that_was_not_opened(look, one_tiny):
    with pytest.raises(TaskError, match=r"of type TinyTransformer.*pellucid\.load\(model"):
        look(one_tiny.module)


@pytest.mark.parametrize("ids", [None, 5, [1.5, 2], [True, 2], torch.ones(2, 2).long()])
def test_ids_that_are_no_whole_numbers_are_refused(ids, one_tiny):
    with pytest.raises(TokenError, match="or one list of token ids"):
        pellucid.logit_lens(one_tiny, ids)


@each_call
@pytest.mark.parametrize(
    "question", ["Mary or John", [("a", "b", "c", "d")], ["a", "b", "c", "d"], 3, {"clean": "a"}]
)
def test_a_question_that_is_none_is_refused_with_what_to_give(call, question, one_tiny):
    with pytest.raises(TaskError, match=r"Give a Contrast\("):
        call(one_tiny, question)


@each_call
def test_a_list_of_contrasts_is_a_batch(call, one_tiny, batch):
    wanted, *others = (call(one_tiny, some) for some in (batch, list(batch), tuple(batch)))
    for other in others:
        assert other.passes == wanted.passes
        for name in ("metric_clean", "per_example", "sufficiency"):
            if hasattr(wanted, name):
                torch.testing.assert_close(getattr(other, name), getattr(wanted, name))


def test_resampling_takes_another_example_not_another_row(one_tiny):
    two_rows = Contrast([1, 2, 3], [1, 4, 3], (5, 6), (7, 8))
    with pytest.raises(EditError, match="at least two examples"):
        resampling(pellucid.record(one_tiny, two_rows), 0)
    other = Contrast([9, 2, 3], [9, 4, 3], (5, 6), (7, 8))
    trace = pellucid.record(one_tiny, ContrastBatch((two_rows, other)))
    order = resampling(trace, 0)
    owner = trace.encoded.example
    assert bool((owner[order] != owner).all())


def test_kl_is_not_attributed_by_a_first_order_method(one_tiny, pair):
    with pytest.raises(TaskError, match="mask-ig"):
        pellucid.attribute(one_tiny, pair, metric="kl")
    found = pellucid.attribute(one_tiny, pair, metric="kl", method="mask-ig", steps=64)
    assert found.completeness < 0.01


def test_a_trace_of_another_question_is_refused(one_tiny, pair):
    trace = pellucid.record(one_tiny, Contrast([1, 2, 3], [1, 4, 3], 5, 6))
    with pytest.raises(TaskError, match="trace given is of something else"):
        pellucid.faithfulness(one_tiny, pair, ["L0H1"], trace=trace)
    with pytest.raises(TaskError, match="trace given is of something else"):
        pellucid.patch(one_tiny, pair, trace=trace)
    few = pellucid.record(one_tiny, pair, sites=[Site("z", 0)])
    with pytest.raises(TaskError, match="lacks some nodes"):
        pellucid.attribute(one_tiny, pair, trace=few)


def test_a_metric_without_gradient_says_so(one_tiny, pair):
    with pytest.raises(TaskError, match="differentiable"):
        pellucid.record(one_tiny, pair, metric=lambda logits, e: logits.argmax(-1)[:, 0].double())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Edit(site=Site("z", 0), operation="multiply"),
        lambda: Edit(site=Site("z", 0), positions=()),
        lambda: Site("foo", 0),
    ],
)
def test_an_edit_that_means_nothing_is_refused_when_made(make):
    with pytest.raises(EditError):
        make()


def test_mfc_without_a_positive_metric_says_why_it_is_empty(one_tiny, pair):
    found = pellucid.discover(one_tiny, pair, method="mfc", metric="log_prob", insist=True)
    assert "not positive" in found.note


def test_threads_take_turns(one_tiny, pair):
    wanted = pellucid.patch(one_tiny, pair).per_example
    found, errors = [], []

    def run():
        try:
            found.append(pellucid.patch(one_tiny, pair).per_example)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(torch.equal(one, wanted) for one in found)


def test_names_may_be_given_alone(one_tiny, pair):
    one = pellucid.faithfulness(one_tiny, pair, "L0H1")
    assert one.size == 1
    with pytest.raises(EditError, match="positions"):
        pellucid.patch(one_tiny, pair, positions="last")


@pytest.mark.smol
def test_the_call_that_repeats_an_analysis_can_be_pasted(smol):
    result = pellucid.analyze(smol, IOI, random_sets=0)
    program = result.provenance.command
    assert str(result).endswith(program)
    names: dict = {}
    exec(program.replace("pellucid.analyze(", "again = pellucid.analyze("), names)
    assert names["again"].circuit == result.circuit


def test_the_call_that_repeats_an_analysis_has_its_options(one_tiny, pair):
    found = pellucid.analyze(one_tiny, pair, over="heads+mlps", seed=7, budget=60, insist=True)
    assert 'over="heads+mlps"' in found.provenance.command
    assert "seed=7" in found.provenance.command


def test_f_of_a_trace_with_streams_and_without_is_the_same(one_tiny, pair):
    long = pellucid.record(one_tiny, pair, sites=[*node_sites(one_tiny), *stream_sites(one_tiny)])
    short = pellucid.record(one_tiny, pair)
    values = [
        pellucid.faithfulness(one_tiny, pair, ["L2H1"], trace=trace).sufficiency
        for trace in (long, short)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-12)
