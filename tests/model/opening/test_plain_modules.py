"""Modules of one's own through `load`: opened as they are, hooks and all, or told what lacks."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import pellucid
from pellucid import Contrast, Edit, ModelError, Site, UnsupportedArchitectureError
from pellucid.model.tiny import TinyConfig, TinyTransformer

QUESTION = Contrast([3, 7, 11, 2, 9], [3, 7, 5, 2, 9], 6, 8)


class ToyAttention(nn.Module):
    """Attention-only, as in papers' toys: no norm, no MLP, no positions, two heads."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.num_heads, self.head_dim = heads, width // heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, stream):
        q, k, v = (
            project(stream).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q, self.k, self.v)
        )
        z = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(z.transpose(1, 2).flatten(-2))


class ToyBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = ToyAttention()

    def forward(self, stream):
        return stream + self.attention(stream)


class Toy(nn.Module):
    """What a newcomer writes; it returns bare logits."""

    config = SimpleNamespace(num_hidden_layers=2, num_attention_heads=2, vocab_size=16)

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.unembed = nn.Embedding(16, 8), nn.Linear(8, 16, bias=False)
        self.blocks = nn.ModuleList([ToyBlock(), ToyBlock()])

    def get_output_embeddings(self):
        return self.unembed

    def forward(self, input_ids):
        stream = self.embed(input_ids)
        for block in self.blocks:
            stream = block(stream)
        return self.unembed(stream)


def noising(toy, projection, head):
    """Clean minus patched metric with one head's part of ``projection``'s input replaced."""

    def metric(prompt):
        with torch.no_grad():
            last = toy(torch.tensor([prompt]))[0, -1]
        return float(last[QUESTION.answer] - last[QUESTION.foil])

    kept = {}
    handle = projection.register_forward_pre_hook(lambda part, given: kept.update(z=given[0]))
    metric(QUESTION.corrupted)
    handle.remove()
    clean, part = metric(QUESTION.clean), slice(4 * head, 4 * head + 4)

    def replace(module, given):
        z = given[0].clone()
        z[..., part] = kept["z"][..., part]
        return (z,)

    handle = projection.register_forward_pre_hook(replace)
    patched = metric(QUESTION.clean)
    handle.remove()
    return clean - patched


@pytest.fixture
def toy():
    return Toy().eval()


def test_an_attention_only_toy_opens_and_its_effects_are_those_of_plain_hooks(toy):
    model = pellucid.load(toy)
    assert model.module is toy
    assert [node.name for node in model.nodes] == ["embed", "L0H0", "L0H1", "L1H0", "L1H1"]
    assert model.max_positions is None
    assert model.weight_hash == pellucid.load(toy).weight_hash
    measured = pellucid.patch(model, QUESTION, sites="heads")
    wanted = [noising(toy, block.attention.o, head) for block in toy.blocks for head in (0, 1)]
    torch.testing.assert_close(measured.effect[0], torch.tensor(wanted))
    written = pellucid.direct_effects(model, QUESTION).share.sum()  # there is no norm before logits
    torch.testing.assert_close(written.float(), measured.metric_clean[0])
    assert pellucid.analyze(model, QUESTION, insist=True, budget=40, random_sets=0).circuit.nodes


def test_a_hook_of_its_own_is_obeyed_and_told(toy):
    plain = pellucid.patch(pellucid.load(toy), QUESTION).effect
    handle = toy.blocks[0].attention.register_forward_hook(lambda part, given, out: 2 * out)
    hooked = pellucid.load(toy)
    assert any("hooks of its owner" in note for note in hooked.notes)
    found = pellucid.patch(hooked, QUESTION).effect
    assert not torch.allclose(found, plain, atol=1e-4)
    handle.remove()
    toy.blocks[0].attention.o.weight.data *= 2
    torch.testing.assert_close(found, pellucid.patch(pellucid.load(toy), QUESTION).effect)


@pytest.mark.parametrize("d_mlp", [0, 32])
def test_the_tiny_transformer_opens(d_mlp):
    module = TinyTransformer(TinyConfig(d_mlp=d_mlp))
    model = pellucid.load(module)
    assert (model.name, str(model.dtype)) == ("TinyTransformer", "torch.float64")
    assert module.training
    edit = Edit(site=Site("z", 0), heads=[1], value=0.0)
    assert pellucid.run_edited(model, [1, 2, 3], [edit]).isfinite().all()


def test_what_a_module_lacks_is_listed_at_once(toy):
    with pytest.raises(UnsupportedArchitectureError) as caught:
        pellucid.load(nn.Linear(2, 2))
    for told in ("Linear is a plain torch module", "num_hidden_layers", "takes input;", "input_ids",
                 "get_output_embeddings()", "nn.ModuleList"):  # fmt: skip
        assert told in str(caught.value)
    toy.config = SimpleNamespace(num_hidden_layers=2, vocab_size=16)
    with pytest.raises(UnsupportedArchitectureError, match="config lacks num_attention_heads"):
        pellucid.load(toy)
    toy.config = SimpleNamespace(num_hidden_layers=3, num_attention_heads=2, vocab_size=16)
    with pytest.raises(UnsupportedArchitectureError, match="no list of 3 layers"):
        pellucid.load(toy)


def test_a_module_without_weights_and_a_wish_for_another_dtype_are_refused(toy):
    with pytest.raises(ModelError, match="this one is float32 on cpu"):
        pellucid.load(toy, dtype="float64")
    for parameter in list(toy.parameters()):
        parameter.requires_grad_(False)
    toy.half()
    assert pellucid.load(toy).dtype == torch.float16
