"""Rigged models and rigged anatomies are refused, by name; honest ones leave no trace."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

from pellucid.errors import CorruptModelError, UnsupportedArchitectureError
from pellucid.model.anatomy import Anatomy, Attention
from pellucid.model.detection.detect import detect
from pellucid.model.detection.probe import Call, probe_tokens
from pellucid.model.detection.writes import fit_writes
from pellucid.model.model import Model
from pellucid.model.proof.selfcheck import fingerprint, selfcheck
from pellucid.model.running.forward import Batch, forward, undisturbed
from pellucid.model.sites import Site
from pellucid.model.tiny import TinyBlock, TinyConfig, TinyTransformer
from tests.models.families import tiny_model

REFUSED = pytest.raises(UnsupportedArchitectureError)


def layers(module: nn.Module) -> Any:
    return module.model.layers  # type: ignore[union-attr]


def rig(block: nn.Module, extra: Callable[[Tensor], Tensor]) -> None:
    """Add ``extra(output)`` to what the block returns, inside its own forward."""
    plain = block.forward

    def rigged(*args: Any, **kwargs: Any) -> Tensor:
        out = plain(*args, **kwargs)
        return out + extra(out)

    block.forward = rigged  # type: ignore[method-assign]


def with_attention(anatomy: Anatomy, layer: int, **changes: Any) -> Anatomy:
    attention = anatomy.blocks[layer].attention
    assert attention is not None
    blocks = list(anatomy.blocks)
    blocks[layer] = replace(blocks[layer], attention=replace(attention, **changes))
    return replace(anatomy, blocks=tuple(blocks))


def attention_of(anatomy: Anatomy, layer: int) -> Attention:
    found = anatomy.blocks[layer].attention
    assert found is not None
    return found


@pytest.mark.parametrize("size", [1e-2, 1.0])
def test_a_term_that_no_part_returns_is_refused_naming_the_layer(size: float) -> None:
    module = tiny_model("llama")
    rig(layers(module)[1], lambda out: size * torch.sin(7 * out))
    with pytest.raises(UnsupportedArchitectureError, match=r"layer 1: no combination .* adds up"):
        detect(module)


def test_a_term_added_after_opening_is_found_by_selfcheck() -> None:
    module = tiny_model("llama")
    model = Model.build(module)
    rig(layers(module)[2], lambda out: 0.01 * torch.sin(7 * out))
    with pytest.raises(UnsupportedArchitectureError, match=r"layer 2: stream \+ attention \+ MLP"):
        model.selfcheck()


def by_token(out: Tensor) -> Tensor:
    return out * torch.tanh(out.mean(-1, keepdim=True))


def by_prompt(out: Tensor) -> Tensor:
    return out * torch.tanh(out[:, -1:].mean(-1, keepdim=True))


def by_length(out: Tensor) -> Tensor:
    return out * 0.01 * out.shape[1]


def by_vector(out: Tensor) -> Tensor:
    return out * torch.linspace(0.1, 0.9, out.shape[-1])


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (by_token, "layer 1: .* by numbers that differ between tokens"),
        (by_vector, "layer 1: .* a vector that none of its parameters holds"),
        (by_prompt, "layer 1: .* not the same for every token"),
        (by_length, "layer 1: .* not the same for every token"),
    ],
)
def test_a_gain_that_is_no_constant_of_the_model_is_refused(
    extra: Callable[[Tensor], Tensor], reason: str
) -> None:
    module = tiny_model("llama")
    rig(layers(module)[1], extra)
    with pytest.raises(UnsupportedArchitectureError, match=reason):
        Model.build(module)


def test_unrelated_vectors_do_not_fit_by_accident() -> None:
    block = nn.Linear(8, 8)
    for seed in range(50):
        torch.manual_seed(seed)
        calls = [
            Call(f"part{i}", nn.Identity(), None, torch.randn(1, 6, 8), 0, i) for i in range(10)
        ]
        before, after = torch.randn(1, 6, 8), torch.randn(1, 6, 8)
        assert fit_writes(block, before, after, calls[:4], calls[4:], ()) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_corrupt_not_unsupported(value: float) -> None:
    module = tiny_model("llama")
    with torch.no_grad():
        layers(module)[1].mlp.down_proj.weight[3, 5] = value
    with pytest.raises(CorruptModelError, match="layer 1 gives values that are not finite"):
        Model.build(module)


def test_logits_that_are_not_finite_are_corrupt() -> None:
    module = tiny_model("llama")
    with torch.no_grad():
        module.lm_head.weight[3, 5] = float("nan")  # type: ignore[union-attr, index]
    with pytest.raises(CorruptModelError, match="logits"):
        Model.build(module)


@pytest.mark.parametrize("claimed", [2, 8])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "mixtral"])
def test_a_wrong_head_count_in_the_configuration_is_caught(family: str, claimed: int) -> None:
    module = tiny_model(family)
    for part in module.modules():
        for name in ("num_heads", "num_attention_heads"):
            if isinstance(getattr(part, name, None), int) and hasattr(part, "config"):
                # The module keeps its own sizes; only what a reader is told is wrong.
                shown = type("Shown", (type(part),), {name: claimed})
                part.__dict__.pop(name, None)
                part.__class__ = shown
    config: Any = module.config
    config.num_attention_heads = claimed
    with REFUSED:
        Model.build(module)


@pytest.mark.parametrize(("heads", "width"), [(2, 16), (8, 4), (1, 32)])
def test_a_wrong_head_count_in_the_anatomy_is_caught(heads: int, width: int) -> None:
    module = tiny_model("gpt2")
    anatomy = detect(module)
    right = attention_of(anatomy, 1)
    assert right.q
    assert right.k
    assert right.v
    changes = {
        kind: replace(p, columns=p.columns.reshape(heads, width))
        for kind, p in (("q", right.q), ("k", right.k), ("v", right.v))
    }
    wrong = with_attention(anatomy, 1, n_heads=heads, n_kv_heads=heads, d_head=width, **changes)
    with undisturbed(module), pytest.raises(UnsupportedArchitectureError, match="layer 1"):
        selfcheck(module, wrong)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_bigcode", "codegen", "phi3"])
@pytest.mark.parametrize("swap", ["qk", "kv", "qv"])
def test_queries_keys_and_values_taken_for_each_other_are_caught(family: str, swap: str) -> None:
    module = tiny_model(family)
    anatomy = detect(module)
    right = attention_of(anatomy, 0)
    one, other = swap
    if getattr(right, one).columns.shape != getattr(right, other).columns.shape:
        pytest.skip("the two differ in width already")
    wrong = {one: getattr(right, other), other: getattr(right, one)}
    with undisturbed(module), pytest.raises(UnsupportedArchitectureError, match="its heads are"):
        selfcheck(module, with_attention(anatomy, 0, **wrong))


@pytest.mark.parametrize("kind", ["q", "k", "v"])
def test_heads_in_a_wrong_order_are_caught(kind: str) -> None:
    module = tiny_model("gpt_neox")
    anatomy = detect(module)
    right = getattr(attention_of(anatomy, 1), kind)
    wrong = {kind: replace(right, columns=right.columns.roll(1, 0))}
    with undisturbed(module), pytest.raises(UnsupportedArchitectureError, match=f"the {kind} of"):
        selfcheck(module, with_attention(anatomy, 1, **wrong))


def test_a_norm_that_does_not_stand_there_is_caught() -> None:
    module = tiny_model("llama")
    anatomy = detect(module)
    wrong = attention_of(anatomy, 2).norm
    with undisturbed(module), pytest.raises(UnsupportedArchitectureError, match="does not stand"):
        selfcheck(module, with_attention(anatomy, 0, norm=wrong))
    other = layers(module)[0].post_attention_layernorm
    with undisturbed(module), pytest.raises(UnsupportedArchitectureError, match="does not stand"):
        selfcheck(module, with_attention(anatomy, 0, norm=other))


def test_a_site_that_the_model_does_not_use_is_caught() -> None:
    module = tiny_model("qwen2_moe")
    anatomy = detect(module)
    mlp = anatomy.blocks[1].mlp
    assert mlp is not None
    unused = layers(module)[1].self_attn.q_proj.__class__(32, 32)
    blocks = list(anatomy.blocks)
    blocks[1] = replace(blocks[1], mlp=replace(mlp, neurons=unused))
    wrong = replace(anatomy, blocks=tuple(blocks))
    with undisturbed(module), pytest.raises(UnsupportedArchitectureError, match="left the logits"):
        selfcheck(module, wrong)


def test_a_shared_expert_is_not_taken_for_the_neurons() -> None:
    for family in ("aria_text", "exaone_moe", "glm4_moe", "kolibri1", "solar_open"):
        mlp = detect(tiny_model(family)).blocks[-1].mlp
        assert mlp is not None
        assert mlp.neurons is None


def test_an_mlp_that_mixes_positions_is_refused() -> None:
    module = tiny_model("llama")
    mlp = layers(module)[1].mlp
    plain = mlp.forward
    mlp.forward = lambda x: plain(x) + 0.1 * plain(x).roll(1, 1)
    with pytest.raises(UnsupportedArchitectureError, match="layer 1: something other than atten"):
        Model.build(module)


@pytest.mark.parametrize("family", ["mamba", "recurrent_gemma", "jamba", "lfm3"])
def test_layers_that_mix_positions_otherwise_are_refused(family: str) -> None:
    with pytest.raises(UnsupportedArchitectureError, match="carries information from one pos"):
        Model.build(tiny_model(family))


def test_embeddings_of_each_layer_are_noticed() -> None:
    assert Model.build(tiny_model("gemma4_unified_text")).check.embedding_is_all
    assert not Model.build(tiny_model("gemma4_text")).check.embedding_is_all


class Around(TinyBlock):
    """A block whose MLP also gates its term by the stream itself, past its norm."""

    def forward(self, stream: Tensor, mask: Tensor) -> Tensor:
        middle = stream + self.attention(self.attention_norm(stream), mask)
        assert self.mlp is not None
        assert self.mlp_norm is not None
        self.mlp.gate = torch.sigmoid(middle)
        return middle + self.mlp(self.mlp_norm(middle))


def test_what_reads_the_stream_past_its_norm_is_named() -> None:
    module = TinyTransformer(TinyConfig(num_hidden_layers=3)).eval()
    assert Model.build(module).check.read_around_norms == ()
    block: Any = module.layers[1]
    block.__class__, plain = Around, block.mlp.forward
    block.mlp.forward = lambda normed: plain(normed) * block.mlp.gate
    assert Model.build(module).check.read_around_norms == (Site("mlp_out", 1),)


def test_what_a_tap_saw_is_not_changed_by_a_model_that_adds_in_place() -> None:
    model = Model.build(tiny_model("falcon"))
    seen: dict[Site, Tensor] = {}
    sites = [Site(k, i) for i in range(3) for k in ("resid_pre", "attn_out", "mlp_out")]
    sites.append(Site("resid_pre", 3))
    taps = {site: lambda value, site=site: seen.__setitem__(site, value) for site in sites}
    with torch.no_grad():
        forward(model.module, model.anatomy, Batch(tokens=probe_tokens(model.module)), taps=taps)
    for i in range(3):
        total = sum(seen[Site(k, i)] for k in ("resid_pre", "attn_out", "mlp_out"))
        torch.testing.assert_close(total, seen[Site("resid_pre", i + 1)])


def test_opening_leaves_mode_gradients_and_hooks_alone() -> None:
    module = tiny_model("falcon").train()
    next(module.parameters()).requires_grad_(False)
    before, random = fingerprint(module), torch.get_rng_state()
    Model.build(module)
    assert fingerprint(module) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_refusal_leaves_the_model_alone_too() -> None:
    module = tiny_model("openai-gpt").train()
    before = fingerprint(module)
    with REFUSED:
        Model.build(module)
    assert fingerprint(module) == before


def test_opening_costs_few_forwards() -> None:
    module = tiny_model("llama")
    calls: list[int] = []
    handle = module.register_forward_pre_hook(
        lambda m, args, kwargs: calls.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    Model.build(module)
    handle.remove()
    assert len(calls) <= 16
    assert sum(n <= 18 for n in calls) >= len(calls) - 6  # six may carry a row for every head


@pytest.mark.parametrize("experts", [0, 64])
def test_a_deep_model_opens_in_as_few_forwards_as_a_shallow_one(experts: int) -> None:
    sizes = {
        "hidden_size": 32, "num_hidden_layers": 100, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 16, "vocab_size": 101,
    }  # fmt: skip
    module: nn.Module = (
        MixtralForCausalLM(MixtralConfig(**sizes, num_local_experts=experts))
        if experts
        else LlamaForCausalLM(LlamaConfig(**sizes))
    )
    calls = []
    handle = module.register_forward_pre_hook(lambda m, args: calls.append(1))
    assert Model.build(module.eval()).anatomy.n_layers == 100
    handle.remove()
    assert len(calls) <= 20
