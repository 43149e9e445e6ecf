"""Heads are typed by what they do: the hand-built ones exactly, random ones not at all."""

import math
from dataclasses import replace
from random import Random

import pytest
import torch

import pellucid
from pellucid import EditError, HeadRoles, Model, Node
from pellucid.errors import ContextLengthError, TaskError
from pellucid.lens.heads.behaviour import ROLES, measure
from pellucid.lens.heads.copying import TokenStreams, _rank_of_pairs, copying_scores
from pellucid.lens.heads.knockout import causal_check
from pellucid.lens.heads.sequences import draw_sequences, token_losses
from pellucid.model.proof.selfcheck import fingerprint
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.models.handbuilt import HEADS, INDUCTION, LENGTH, PREVIOUS_TOKEN, VOCAB, induction_model
from tests.models.readable import readable, small_gpt2, small_llama

SMALL = {"sequences": 4, "length": 10, "nulls": 3, "controls": 3}


@pytest.fixture(scope="module")
def built():
    return readable(induction_model())


@pytest.fixture(scope="module")
def roles(built):
    return pellucid.head_roles(built, **SMALL)


def holders(roles: HeadRoles) -> dict[str, list[str]]:
    found = {role: [node.name for node in roles.holders(role)] for role in roles.roles}
    return {role: names for role, names in found.items() if names}


def test_exactly_the_hand_built_heads_are_typed(roles):
    assert holders(roles) == {
        "previous": [PREVIOUS_TOKEN],
        "induction": [INDUCTION],
        "copying": [INDUCTION],
    }
    frame = roles.to_frame().set_index(["node", "role"])
    # The first token has none before it: where it is repeated, half of one query goes there.
    assert frame.loc[(INDUCTION, "induction"), "score"] == pytest.approx(1 - 0.5 / 10)
    assert frame.loc[(PREVIOUS_TOKEN, "previous"), "score"] == pytest.approx(1)
    assert frame.loc[(INDUCTION, "copying"), "score"] == 1
    assert frame.loc[(PREVIOUS_TOKEN, "copying"), "score"] == 0


def test_without_its_two_heads_the_repetition_is_not_predicted(roles):
    # Logits are one for the token that follows and zero for the eleven others.
    chance, known = math.log(12), math.log(math.e + 11) - 1
    assert roles.loss_second == pytest.approx(known, abs=0.06)
    for check in roles.checks:
        assert check.needed
        assert check.heads in ((PREVIOUS_TOKEN,), (INDUCTION,))
        assert float(check.control_second.abs().max()) < 1e-9
        assert roles.loss_second + check.rise_second == pytest.approx(chance, rel=0.05)


def test_the_null_keeps_no_head_in_a_role(roles):
    assert float(roles.null_holding.max()) == 0
    assert bool((roles.null_max < roles.thresholds).all())
    assert float(roles.p[roles.holds].max()) == pytest.approx(1 / (1 + 3 * 2 * HEADS))


@pytest.mark.parametrize(
    "model",
    [
        lambda: small_gpt2(vocab_size=211, n_positions=128),
        lambda: small_llama(vocab_size=211, max_position_embeddings=128),
        lambda: readable(TinyTransformer(TinyConfig(vocab_size=211), seed=1)),
    ],
    ids=["gpt2", "llama", "tiny"],
)
def test_random_weights_hold_no_role_and_nothing_is_ablated(model):
    found = pellucid.head_roles(model(), length=30, sequences=4, controls=1)
    assert holders(found) == {}
    assert found.checks == ()
    assert "No head holds a role" in str(found)


def test_a_head_that_writes_the_negative_suppresses():
    module = induction_model()
    with torch.no_grad():
        module.layers[1].attention.o_proj.weight.neg_()
    found = pellucid.head_roles(readable(module), **SMALL)
    assert holders(found)["suppressing"] == [INDUCTION]
    assert "copying" not in holders(found)


def test_copying_is_the_rank_of_the_token_s_own_logit(built):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randperm(VOCAB, generator=generator)
    streams = built.module.embed.weight[ids].detach()
    found = copying_scores(
        built, TokenStreams(ids=ids, first=streams, later=streams), nulls=2, generator=generator
    )
    wanted = torch.zeros(2 * HEADS)
    wanted[HEADS + 2] = 1  # the induction head; the others write nothing that logits read
    assert torch.equal(found[0], wanted)
    # A pairing with f tokens left in place scores f of them at the top, the others in a tie below.
    assert float(found[1:].max()) < 0.5


def test_the_loss_curve_is_the_cross_entropy():
    model = small_gpt2()
    found = pellucid.head_roles(model, sequences=3, length=12, nulls=1, controls=1)
    tokens = draw_sequences(model, rows=3, length=12, seed=0).repeated
    logits = model.module(tokens).logits
    wanted = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
    ).reshape(3, 23)
    torch.testing.assert_close(found.loss, wanted.mean(0))
    assert found.loss_first == pytest.approx(float(wanted[:, :11].mean()))
    assert found.loss_second == pytest.approx(float(wanted[:, 12:].mean()))


def test_ablation_is_the_mean_put_in_by_a_plain_hook():
    model = small_gpt2()
    sequences = draw_sequences(model, rows=3, length=12, seed=0)
    generator = torch.Generator().manual_seed(0)
    baseline = measure(model, sequences, nulls=1, generator=generator).baseline
    found = causal_check(
        model,
        baseline,
        "induction",
        [Node("head", 1, 2), Node("head", 2, 0)],
        controls=2,
        rng=Random(0),
    )
    blocks = model.module.transformer.h
    parts = ((blocks[1], slice(16, 24)), (blocks[2], slice(0, 8)))
    means = []
    for block, part in parts:
        hook = block.attn.c_proj.register_forward_pre_hook(
            lambda module, args, part=part: means.append(args[0][..., part].mean((0, 1)))
        )
        model.module(sequences.repeated)
        hook.remove()

    def put(part, mean):
        def hook(module, args):
            given = args[0].clone()
            given[..., part] = mean
            return (given,)

        return hook

    handles = [
        block.attn.c_proj.register_forward_pre_hook(put(part, mean))
        for (block, part), mean in zip(parts, means, strict=True)
    ]
    without = token_losses(model.module(sequences.repeated).logits, sequences.repeated)
    for handle in handles:
        handle.remove()
    rises = (without - baseline.loss)[:, :11].mean(), (without - baseline.loss)[:, 12:].mean()
    # The means come from the run that read patterns, whose softmax is in float32.
    assert found.rise_first == pytest.approx(float(rises[0]), abs=1e-7)
    assert found.rise_second == pytest.approx(float(rises[1]), abs=1e-7)
    assert len(found.control_second) == 2


def test_heads_without_others_in_their_layer_are_not_compared():
    model = small_gpt2()
    sequences = draw_sequences(model, rows=2, length=8, seed=0)
    generator = torch.Generator().manual_seed(0)
    baseline = measure(model, sequences, nulls=1, generator=generator).baseline
    every = [Node("head", 1, head) for head in range(4)]
    none = causal_check(model, baseline, "sink", every, controls=1, rng=Random(0))
    assert none is None
    three = causal_check(model, baseline, "sink", every[:3], controls=1, rng=Random(0))
    assert three.heads == ("L1H0",)


def test_sequences_repeat_and_shuffled_ones_hold_the_same_tokens(built):
    sequences = draw_sequences(built, rows=4, length=12, seed=5)
    first, second = sequences.repeated.chunk(2, dim=1)
    assert torch.equal(first, second)
    assert all(len(set(row)) == 12 for row in first.tolist())
    mixed = sequences.shuffled(torch.Generator().manual_seed(0))
    assert not torch.equal(mixed, sequences.repeated)
    assert torch.equal(mixed.sort(1).values, sequences.repeated.sort(1).values)


def test_the_same_seed_gives_the_same_result(built, roles):
    again = pellucid.head_roles(built, **SMALL)
    assert bare(again) == bare(roles)
    other = pellucid.head_roles(built, seed=1, **SMALL)
    assert bare(other) != bare(roles)


def bare(result):
    """Everything but how and when it was made."""
    return replace(result, provenance=None).to_json()


def test_it_costs_what_it_says(roles):
    # Plain run and three nulls, no IOI prompts without a tokenizer; three roles and their controls.
    assert roles.passes.forwards == (1 + 3) + 3 * (1 + 3)
    assert "no tokenizer" in roles.unmeasured["name_mover"]


def test_it_is_saved_and_reads_well(roles, tmp_path):
    again = HeadRoles.load(roles.save(tmp_path / "roles"))
    assert again.to_json() == roles.to_json()
    assert str(again) == str(roles)
    assert max(map(len, str(roles).splitlines())) <= 80
    assert len(roles.to_frame()) == 2 * HEADS * len(ROLES)


def test_nothing_is_left_on_the_model(built):
    before = fingerprint(built.module)
    pellucid.head_roles(built, **SMALL)
    assert fingerprint(built.module) == before


def test_equal_ranks_score_equally_in_whatever_order_they_are_added():
    table = torch.randn(5, 48, 48, generator=torch.Generator().manual_seed(0)).double()
    score = _rank_of_pairs(table, torch.arange(48))
    for seed in range(20):
        order = torch.randperm(48, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(_rank_of_pairs(table[:, order], order), score)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"length": 13}, TaskError, "2 to 12 tokens"),
        ({"length": 10, "sequences": 0}, TaskError, "at least one sequence"),
        ({"length": 10, "nulls": 0}, TaskError, "at least one of each"),
        ({"length": 10, "thresholds": {"attending": 0.5}}, TaskError, "the roles are previous"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(built, asked, error, says):
    with pytest.raises(error, match=says):
        pellucid.head_roles(built, **asked)


def test_a_context_that_is_too_short_says_what_fits():
    with pytest.raises(ContextLengthError, match="Pass length=32 or less"):
        pellucid.head_roles(small_gpt2(), length=40)


def test_the_default_length_is_as_much_as_fits():
    found = pellucid.head_roles(small_gpt2(), sequences=2, nulls=1, controls=1)
    assert found.length == 32


def test_a_model_without_readable_patterns_and_an_unknown_role_are_named(roles):
    with pytest.raises(EditError, match="cannot be read"):
        pellucid.head_roles(Model.build(induction_model()), length=LENGTH // 2)
    with pytest.raises(TaskError, match="is no role"):
        roles.holders("reading")


@pytest.mark.smol
def test_smollm2_s_known_heads_come_out(smol):
    found = pellucid.head_roles(smol, sequences=3, nulls=1, controls=1)
    typed = holders(found)
    assert {"L18H6", "L17H3", "L17H4", "L17H5", "L18H7"} <= set(typed["induction"])
    assert {"L16H0", "L11H1", "L2H1", "L1H2", "L19H3"} <= set(typed["previous"])
    assert {"L8H0", "L14H3"} <= set(typed["duplicate"])
    assert "L23H0" in typed["name_mover"]
    assert found.loss_first > 13
    assert found.loss_second < 4
    checks = {check.role: check for check in found.checks}
    for role in ("previous", "induction"):
        assert checks[role].needed
        assert checks[role].rise_second > 4
        assert abs(checks[role].rise_first) < 1
