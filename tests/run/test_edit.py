"""Single edits do what they say, at every kind of site."""

import pytest
import torch

import pellucid
from pellucid import Edit, EditError, Site, Subspace

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


def basis_and_source():
    generator = torch.Generator().manual_seed(3)
    basis = torch.randn(3, 32, dtype=torch.float64, generator=generator)
    return basis, torch.randn(32, dtype=torch.float64, generator=generator)


def with_plain_hook(model, layer, change):
    """Logits with ``change`` applied to what enters a layer, by a hook of torch's own."""
    handle = model.module.transformer.h[layer].register_forward_pre_hook(
        lambda module, args: (change(args[0]), *args[1:])
    )
    found = plain(model)
    handle.remove()
    return found


def test_a_function_of_the_current_value_is_what_a_plain_hook_makes_of_it(gpt2):
    def change(stream):
        return stream * torch.sigmoid(stream) + 1

    edit = Edit(site=Site("resid_pre", 1), value=change)
    found = pellucid.run_edited(gpt2, PROMPT, [edit])
    assert torch.equal(found, with_plain_hook(gpt2, 1, change))


def test_a_function_sees_the_chosen_heads_and_positions_and_cannot_write_into_the_run(gpt2):
    seen = []

    def look(value):
        seen.append(value.shape)
        kept = value.clone()
        value.zero_()
        return kept

    edit = Edit(site=Site("z", 1), heads=(0, 2), positions=(-1, 3), value=look)
    torch.testing.assert_close(pellucid.run_edited(gpt2, PROMPT, [edit]), plain(gpt2))
    assert seen == [(1, 2, 2, 8)]


def test_what_a_function_returns_can_be_added(gpt2):
    twice = Edit(site=Site("mlp_out", 0), operation="add", value=lambda value: value)
    wanted = Edit(site=Site("mlp_out", 0), operation="scale", value=2.0)
    found = pellucid.run_edited(gpt2, PROMPT, [twice])
    torch.testing.assert_close(found, pellucid.run_edited(gpt2, PROMPT, [wanted]))


def test_a_subspace_takes_the_component_and_leaves_the_rest(gpt2):
    basis, source = basis_and_source()
    projection = torch.linalg.pinv(basis) @ basis  # orthogonal, computed another way

    def by_hand(stream):
        return (stream + (source - stream.double()) @ projection).to(stream.dtype)

    subspace = Subspace(basis, source)
    found = pellucid.run_edited(gpt2, PROMPT, [Edit(site=Site("resid_pre", 1), value=subspace)])
    torch.testing.assert_close(found, with_plain_hook(gpt2, 1, by_hand))
    value = torch.randn(2, 5, 32, dtype=torch.float64)
    new = subspace.replaced_in(value, "here")
    torch.testing.assert_close(subspace.component(new), subspace.component(source).expand_as(new))
    torch.testing.assert_close(new - subspace.component(new), value - subspace.component(value))


def test_a_subspace_of_everything_replaces_and_one_s_own_value_changes_nothing(gpt2):
    basis, source = basis_and_source()
    site = Site("resid_pre", 1)
    whole = Edit(site=site, value=Subspace(torch.eye(32), source))
    wanted = pellucid.run_edited(gpt2, PROMPT, [Edit(site=site, value=source)])
    torch.testing.assert_close(pellucid.run_edited(gpt2, PROMPT, [whole]), wanted)
    own = Edit(site=site, value=Subspace(basis, lambda value: value))
    torch.testing.assert_close(pellucid.run_edited(gpt2, PROMPT, [own]), plain(gpt2))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Subspace(torch.zeros(2, 16)), "2 directions of the basis span only 0"),
        (lambda: Subspace(torch.full((1, 16), torch.nan)), "finite numbers"),
        (
            lambda: Edit(site=Site("z", 0), operation="add", value=Subspace(torch.eye(4))),
            "leave operation out",
        ),
    ],
)
def test_a_subspace_that_makes_no_sense_is_refused_when_it_is_made(make, says):
    with pytest.raises(EditError, match=says):
        make()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (Edit(site=Site("z", 0), value=lambda value: None), "returned a NoneType"),
        (Edit(site=Site("z", 0), value=lambda value: value[..., :2]), "does not broadcast"),
        (Edit(site=Site("z", 0), value=lambda value: value / 0), "NaN or infinity"),
        (Edit(site=Site("resid_pre", 0), value=Subspace(torch.eye(4))), "directions of 4 numbers"),
        (Edit(site=Site("z", 9)), "layers 0 to 1"),
        (Edit(site=Site("z", 0), heads=(7,)), "heads go from 0 to 3"),
        (Edit(site=Site("z", 0), positions=(6,)), "the prompt has 6 positions, 0 to 5"),
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
