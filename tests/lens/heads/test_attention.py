"""Patterns are the model's own, and where they look is counted right."""

import math

import pytest
import torch
from transformers import GPT2LMHeadModel

import pellucid
from pellucid import AttentionPatterns, EditError, Model
from pellucid.errors import ContextLengthError, TaskError, TokenError
from pellucid.lens.heads.targets import shares, targets
from pellucid.model.proof.selfcheck import fingerprint
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.models.handbuilt import INDUCTION, PREVIOUS_TOKEN, induction_model
from tests.models.readable import readable, small_gpt2, small_llama

PROMPT = [5, 9, 4, 9, 9, 5, 4, 30]


@pytest.fixture(scope="module")
def gpt2():
    return small_gpt2()


def test_patterns_are_those_that_transformers_reports(gpt2):
    found = pellucid.attention(gpt2, PROMPT)
    eager = GPT2LMHeadModel._from_config(gpt2.module.config, attn_implementation="eager").double()
    eager.load_state_dict(gpt2.module.state_dict())
    with torch.no_grad():
        wanted = eager.eval()(torch.tensor([PROMPT]), output_attentions=True).attentions
    assert found.grid().shape == (3, 4, 8, 8)
    torch.testing.assert_close(found.grid(), torch.cat(wanted).float(), rtol=1e-5, atol=1e-6)


def test_value_norms_are_those_of_values_behind_the_output_matrix(gpt2):
    found = pellucid.attention(gpt2, PROMPT)
    for layer, block in enumerate(gpt2.module.transformer.h):
        seen = {}
        handle = block.attn.c_attn.register_forward_hook(
            lambda module, args, out, seen=seen: seen.update(v=out[0, :, 64:])
        )
        gpt2.module(torch.tensor([PROMPT]))
        handle.remove()
        for head in range(4):
            part = slice(8 * head, 8 * head + 8)
            written = seen["v"][:, part] @ block.attn.c_proj.weight[part]
            mine = found.value_norm[4 * layer + head]
            torch.testing.assert_close(mine, written.norm(dim=-1).float())
    torch.testing.assert_close(found.weighted[5, 3], found.pattern[5, 3] * found.value_norm[5])


def test_shares_are_those_counted_one_by_one(gpt2):
    found = pellucid.attention(gpt2, PROMPT)
    for node, pattern in enumerate(found.pattern.tolist()):
        for q, token in enumerate(PROMPT):
            looked = {
                "first": [0] if q else [],
                "previous": [q - 1] if q > 1 else [],
                "duplicate": [k for k in range(1, q) if PROMPT[k] == token],
                "induction": [k for k in range(1, q) if PROMPT[k - 1] == token],
            }
            for target, keys in looked.items():
                share = float(found.share[target][node, q])
                wanted = sum(pattern[q][k] for k in keys)
                assert share == pytest.approx(wanted, abs=1e-6) if keys else math.isnan(share)


def test_the_hand_built_heads_look_where_they_were_built_to():
    model = readable(induction_model())
    found = pellucid.attention(model, [1, 5, 7, 2, 9, 5, 7, 2, 9])
    frame = found.to_frame().set_index("node")
    assert frame.loc[PREVIOUS_TOKEN, "previous"] == pytest.approx(1)
    assert frame.loc[INDUCTION, "induction"] == pytest.approx(1)
    assert frame.loc[PREVIOUS_TOKEN, "entropy"] == pytest.approx(0, abs=1e-5)
    # A head without weights spreads its attention evenly: the entropy of n keys is log n.
    even = found.entropy[0]
    torch.testing.assert_close(even, torch.arange(1, 10).log())
    assert found.value_norm[0].abs().max() == 0


def test_position_0_is_a_target_of_first_alone():
    where = targets(torch.tensor([[7, 7, 7, 7]]))
    for target, mask in where.items():
        assert bool(mask[..., 0].any()) == (target == "first")
    even = torch.full((1, 1, 4, 4), 0.25)
    assert shares(even, where["duplicate"])[0, 0].tolist()[2:] == [0.25, 0.5]


def test_some_heads_are_those_of_all(gpt2):
    whole = pellucid.attention(gpt2, PROMPT)
    part = pellucid.attention(gpt2, PROMPT, heads=["L2H1", "L0H3"])
    assert [node.name for node in part.heads] == ["L0H3", "L2H1"]
    for name in ("L0H3", "L2H1"):
        torch.testing.assert_close(part.of(name), whole.of(name))
    assert part.grid().shape == (3, 4, 8, 8)
    assert int(part.grid()[:, :, 0, 0].isfinite().sum()) == 2
    with pytest.raises(EditError, match="not among the heads read"):
        part.of("L1H1")


def test_the_heads_that_are_kept_look_most_at_a_telling_token(gpt2):
    every = pellucid.attention(gpt2, PROMPT)
    table = every.to_frame().set_index("node")[["previous", "duplicate", "induction"]].max(axis=1)
    wanted = list(table.sort_values(ascending=False, kind="stable").index[:3])
    some = pellucid.attention(gpt2, PROMPT, top=3)
    assert [node.name for node in some.heads] == wanted
    for name in wanted:
        assert torch.equal(some.of(name), every.of(name))
    at = [[node.name for node in every.heads].index(name) for name in wanted]
    assert torch.equal(some.weighted, every.weighted[at])
    assert some.chosen_by.startswith("by the largest share of attention on a previous")
    assert "Chosen by the largest share" in str(some)
    assert not every.chosen_by
    assert len(pellucid.attention(gpt2, PROMPT, heads=["L0H1", "L1H2"], top=9).heads) == 2
    for wrong in (0, True, 1.5):
        with pytest.raises(TaskError, match=r"how many heads to keep|should be a whole number"):
            pellucid.attention(gpt2, PROMPT, top=wrong)


def test_grouped_values_belong_to_every_head_of_their_group():
    found = pellucid.attention(small_llama(), PROMPT)
    assert found.note == ""
    assert bool((found.value_norm > 0).all())


def test_tables_have_one_row_a_head_or_a_query(gpt2):
    found = pellucid.attention(gpt2, PROMPT)
    frame = found.to_frame()
    assert list(frame.columns[:6]) == ["node", "kind", "layer", "head", "position", "example"]
    assert len(frame) == 12
    by_query = found.to_frame("query")
    assert len(by_query) == 12 * len(PROMPT)
    row = by_query.query("node == 'L1H2' and position == 4").iloc[0]
    assert row["duplicate"] == pytest.approx(float(found.share["duplicate"][6, 4]))
    with pytest.raises(TaskError, match="per='key'"):
        found.to_frame("key")


def test_it_is_saved_and_reads_well(gpt2, tmp_path):
    found = pellucid.attention(gpt2, PROMPT)
    again = AttentionPatterns.load(found.save(tmp_path / "patterns"))
    assert torch.equal(again.pattern, found.pattern)
    assert str(again) == str(found)
    assert max(map(len, str(found).splitlines())) <= 80
    assert found.passes.forwards == 1
    assert "NaN" not in found.to_json()


def test_nothing_is_left_on_the_model(gpt2):
    before = fingerprint(gpt2.module)
    pellucid.attention(gpt2, PROMPT)
    with pytest.raises(EditError):
        pellucid.attention(gpt2, PROMPT, heads="L9H9")
    assert fingerprint(gpt2.module) == before


def test_a_model_whose_patterns_cannot_be_read_says_why():
    model = Model.build(TinyTransformer(TinyConfig()).eval())
    with pytest.raises(EditError, match=r"cannot be read.*does not go through"):
        pellucid.attention(model, PROMPT)


@pytest.mark.parametrize(
    ("prompt", "error", "says"),
    [
        ([], TokenError, "empty"),
        ([5, 99], TokenError, "outside the vocabulary"),
        ([5] * 65, ContextLengthError, "65 tokens"),
        ("words", TokenError, "no tokenizer"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused(gpt2, prompt, error, says):
    with pytest.raises(error, match=says):
        pellucid.attention(gpt2, prompt)


@pytest.mark.smol
def test_smollm2_s_previous_token_head_looks_back(smol):
    prompt = "When Mary and John went to the store, John gave a drink to"
    found = pellucid.attention(smol, prompt, heads=["L16H0", "L18H8"])
    frame = found.to_frame().set_index("node")
    assert "".join(found.labels) == prompt
    assert frame.loc["L16H0", "previous"] > 0.6
    torch.testing.assert_close(found.pattern.sum(-1), torch.ones(2, len(found.tokens)))
