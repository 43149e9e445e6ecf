"""Exchanged values against patching and by hand; a planted variable is found, and coins are not."""

import pytest
import torch

import pellucid
from pellucid import AlignedSubspace, Contrast, ContrastBatch, Edit, EditError, Site, TaskError
from pellucid.causal.exchange import placebo, random_basis, within
from tests.models.every_call import QUESTION, state_of, tiny_llama
from tests.models.handbuilt import induction_model
from tests.models.small import PAIR, tiny

BATCH = ContrastBatch((QUESTION, Contrast([1, 2, 3, 4], [1, 2, 9, 4], 11, 13)))


@pytest.fixture(scope="module")
def model():
    return pellucid.load(tiny_llama(num_hidden_layers=3))


@pytest.mark.parametrize("site", ["L1 resid_pre", "L1 z", "L2 attn_out"])
def test_a_whole_exchange_is_an_edit_with_the_clean_value(model, site):
    found = pellucid.interchange(model, BATCH, site, draws=0)
    for i, one in enumerate(BATCH):
        read = pellucid.activations(model, [list(one.clean)], site)
        (at,) = read.sites
        edit = Edit(site=at, positions=-1, value=read[at][-1])
        logits = pellucid.run_edited(model, one.corrupted, [edit])[0, -1]
        torch.testing.assert_close(found.exchanged[i], logits[11] - logits[13])
    assert torch.equal(found.exchanged, found.whole)
    assert found.accuracy == float((found.exchanged > 0).double().mean())


def test_the_whole_stream_everywhere_is_the_clean_run_and_nothing_is_the_corrupted_one(model):
    every = tuple(range(6))
    found = pellucid.interchange(model, QUESTION, "L0 resid_pre", positions=every, draws=1)
    torch.testing.assert_close(found.exchanged, found.source)
    trace = pellucid.record(model, QUESTION)
    torch.testing.assert_close(found.base, trace.metric_corrupted)
    early = pellucid.interchange(model, QUESTION, "L0 resid_pre", positions=0, draws=0)
    torch.testing.assert_close(early.exchanged, early.base)  # the prompts are the same there


def test_a_subspace_is_exchanged_as_an_edit_exchanges_it(model):
    basis = torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
    found = pellucid.interchange(model, QUESTION, "L1 resid_pre", subspace=basis, draws=2)
    read = pellucid.activations(model, [list(QUESTION.clean)], "L1 resid_pre")
    subspace = pellucid.Subspace(basis, read["L1 resid_pre"][-1])
    edit = Edit(site=Site("resid_pre", 1), positions=-1, value=subspace)
    logits = pellucid.run_edited(model, QUESTION.corrupted, [edit])[0, -1]
    torch.testing.assert_close(found.exchanged[0], logits[11] - logits[13])
    assert found.random.shape == found.placebo.shape == (2, 1)


def test_a_placebo_is_as_large_as_the_change(model):
    base, source = torch.randn(2, 4, 1, 32, generator=torch.Generator().manual_seed(0))
    basis = random_basis(3, 32, 0)
    torch.testing.assert_close(basis @ basis.T, torch.eye(3, dtype=torch.float64))
    moved = (within(basis)(base, source) - base).norm(dim=-1)
    torch.testing.assert_close((placebo(basis, 1)(base, source) - base).norm(dim=-1), moved)


def induction_batch(n=24):
    """ "... A B ... A" asks for B; corrupted, another token C followed A."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(n):
        a, b, c, *others = torch.randperm(12, generator=generator).tolist()
        clean = [others[0], a, b, others[1], others[2], a]
        found.append(Contrast(clean, [*clean[:2], c, *clean[3:]], b, c))
    return ContrastBatch(tuple(found))


def test_a_planted_variable_is_found_where_it_stands_and_nowhere_else():
    """What follows A reaches the last position through L1H2 alone."""
    opened = pellucid.Model.build(induction_model())
    batch = induction_batch(6)
    there = pellucid.interchange(opened, batch, "L1 attn_out", draws=4)
    assert there.accuracy == 1.0
    assert float((there.placebo > 0).double().mean()) < 1.0
    before = pellucid.interchange(opened, batch, "L1 resid_pre", draws=0)
    assert before.accuracy == 0.0
    second = pellucid.interchange(opened, batch, "L1 resid_pre", positions=2, draws=0)
    assert second.accuracy == 1.0


def one_of_two(n):
    """Clean prompts hold 5 and ask for 11, corrupted ones 6 and ask for 13; noise around."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(14, 50, (n, 3), generator=generator).tolist()
    return ContrastBatch(tuple(Contrast([*r, 5], [*r, 6], 11, 13) for r in rows))


@pytest.fixture(scope="module")
def planted():
    """A model that says 11 behind a 5 and 13 behind a 6, by one direction of its embedding."""
    module = tiny_llama()
    direction = torch.nn.functional.normalize(
        torch.randn(32, generator=torch.Generator().manual_seed(3)), dim=0
    )
    with torch.no_grad():
        embed, unembed = module.model.embed_tokens.weight, module.lm_head.weight
        noise = embed[5].clone()
        embed[5], embed[6] = noise + 3 * direction, noise - 3 * direction
        unembed[11], unembed[13] = 4 * direction, -4 * direction
    return pellucid.load(module), direction.double()


@pytest.fixture(scope="module")
def learned(planted):
    return pellucid.das(planted[0], one_of_two(24), "L0 resid_pre", k=1, steps=40, draws=3)


def test_a_planted_direction_is_learned_and_coins_are_not(planted, learned):
    assert learned.held_out.accuracy == 1.0
    assert learned.trained == 1.0
    # Clean and corrupted embeddings differ along the planted direction alone.
    assert abs(float(learned.basis[0] @ planted[1])) > 0.5
    assert learned.losses[-1] < learned.losses[0]
    assert learned.arbitrary < 0.9
    assert float((learned.held_out.random > 0).double().mean()) < 1.0
    edit = Edit(site=Site("resid_pre", 0), positions=-1, value=learned.subspace(0.0))
    assert pellucid.run_edited(planted[0], [14, 15, 5], [edit]).isfinite().all()


def test_gradients_are_those_of_finite_differences():
    from pellucid.causal.exchange import exchange_at
    from pellucid.run.question import encode_contrast

    opened = tiny("grouped")
    made = exchange_at(opened, encode_contrast(opened, PAIR), Site("resid_pre", 1), (-1,))
    basis = random_basis(2, opened.anatomy.d_model, 0).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(made.metric(within(basis)).sum(), [basis])
    step = torch.zeros_like(basis)
    step[1, 4] = 1e-5
    with torch.no_grad():
        slope = made.metric(within(basis + step)) - made.metric(within(basis - step))
    torch.testing.assert_close(gradient[1, 4], slope[0] / 2e-5, rtol=1e-5, atol=1e-8)


def test_results_are_saved_drawn_and_told(learned, tmp_path):
    again = AlignedSubspace.load(learned.save(tmp_path / "s"))
    assert torch.equal(again.basis, learned.basis)
    for one in (learned, learned.held_out):
        assert max(map(len, str(one).splitlines())) <= 80
        assert one.plot().axes
        assert one.story()[0].sentences
    assert "learned arbitrary answers, held out" in set(learned.to_frame()["exchange"])


def test_the_model_is_as_it_was(model):
    state = state_of(model.module)
    pellucid.das(model, one_of_two(4), "L1 z", steps=2, draws=1)
    assert state_of(model.module) == state


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m: pellucid.interchange(m, QUESTION, "L0 pattern"), EditError, "no pattern"),
        (lambda m: pellucid.interchange(m, QUESTION, "L9 z"), EditError, "layers 0 to 2"),
        (
            lambda m: pellucid.interchange(m, BATCH, "L0 z", positions=4),
            EditError, "shortest prompt has 4",
        ),
        (
            lambda m: pellucid.interchange(m, BATCH, "L0 z", subspace=torch.ones(1, 3)),
            EditError, r"\[k, 32\]",
        ),
        (lambda m: pellucid.interchange(m, BATCH, "L0 z", draws=-1), TaskError, "draws=-1"),
        (lambda m: pellucid.das(m, BATCH, "L0 z"), TaskError, "at least 4"),
        (lambda m: pellucid.das(m, one_of_two(4), "L0 z", k=99), EditError, "k=99"),
        (lambda m: pellucid.das(m, one_of_two(4), "L0 z", rate=0.0), TaskError, "rate=0.0"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(model, call, error, says):
    with pytest.raises(error, match=says):
        call(model)


def test_the_commands_exchange_learn_and_plan(run, tmp_path):
    rows = [f"the {n} and Mary,the {n} and John, x, y" for n in "abcde"]
    file = tmp_path / "q.csv"
    file.write_text("\n".join(["prompt,corrupted,answer,foil", *rows]))
    words = ["--prompts", str(file), "--site", "L1 resid_pre"]
    for name, more in (("interchange", []), ("das", ["--steps", "2", "--no-random-model"])):
        code, out, err = run(name, *words, *more, question=False)
        assert code == 0, err
        assert "random change, same size" in out
        assert max(map(len, out.splitlines())) <= 80
        code, out, err = run(name, *words, *more, "--plan", question=False)
        assert code == 0, err
        assert "forwards" in out
    assert run("das", "--site", "L1 z")[0] == 2
