"""Single edits do what they say, at every kind of site."""

import pytest
import torch

import pellucid
from pellucid import Edit, EditError, Site

PROMPT = [3, 7, 11, 2, 9, 4]


def plain(model):
    with torch.no_grad():
        return model.module(torch.tensor([PROMPT])).logits


@pytest.mark.parametrize(
    "kind", ["resid_pre", "q", "k", "v", "pattern", "z", "attn_out", "neurons", "mlp_out"]
)
def test_scaling_by_one_changes_nothing_and_by_two_something(kind, gpt2):
    site = Site(kind, 1)
    same = pellucid.run_edited(gpt2, PROMPT, [Edit(site=site, operation="scale", value=1.0)])
    other = pellucid.run_edited(gpt2, PROMPT, [Edit(site=site, operation="scale", value=2.0)])
    torch.testing.assert_close(same, plain(gpt2))
    assert float((other - plain(gpt2)).abs().max()) > 1e-6


def test_an_edit_at_the_last_position_moves_only_that_position(gpt2):
    edit = Edit(site=Site("z", 0), heads=(1, 2), positions=(-1,), value=0.0)
    moved = (pellucid.run_edited(gpt2, PROMPT, [edit]) - plain(gpt2)).abs().amax(-1)[0]
    assert float(moved[:-1].max()) == 0
    assert float(moved[-1]) > 0


def test_adding_to_the_last_stream_adds_to_the_logits(attention_only):
    direction = torch.randn(16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    site = Site("resid_pre", attention_only.anatomy.n_layers)
    edit = Edit(site=site, operation="add", value=direction)
    found = pellucid.run_edited(attention_only, PROMPT, [edit])
    wanted = plain(attention_only) + attention_only.module.lm_head.weight @ direction
    torch.testing.assert_close(found, wanted)


def test_a_pattern_on_one_token_makes_heads_output_its_value(gpt2):
    one_hot = torch.zeros(6, 6)
    one_hot[:, 0] = 1
    edits = [Edit(site=Site("pattern", 0), value=one_hot)]
    seen = {}
    handle = gpt2.module.transformer.h[0].attn.c_proj.register_forward_pre_hook(
        lambda m, args: seen.update(z=args[0])
    )
    pellucid.run_edited(gpt2, PROMPT, edits)
    handle.remove()
    torch.testing.assert_close(seen["z"][0, 5], seen["z"][0, 0])


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (Edit(site=Site("z", 9)), "layers 0 to 1"),
        (Edit(site=Site("z", 0), heads=(7,)), "heads go from 0 to 3"),
        (Edit(site=Site("z", 0), positions=(6,)), "positions go from 0 to 5"),
        (Edit(site=Site("resid_pre", 0), heads=(1,)), "has no heads"),
    ],
)
def test_what_is_not_there_is_named(edit, says, gpt2):
    with pytest.raises(EditError, match=says):
        pellucid.run_edited(gpt2, PROMPT, [edit])


@pytest.fixture(scope="module")
def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=40, n_positions=32)
        return pellucid.Model.build(GPT2LMHeadModel(config).eval())


@pytest.fixture(scope="module")
def attention_only():
    from tests.models.questions import VARIETIES, tiny_model

    return tiny_model(VARIETIES["attention-only"])
