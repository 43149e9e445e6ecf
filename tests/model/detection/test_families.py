"""Every attention family of transformers' causal-LM mapping opens, or is refused by name."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
import transformers

from pellucid.model.model import Model
from tests.models.families import ATTENTION, CLASSES, SAID, attention_families, left_out, tiny_model
from tests.models.verdict import REFUSED, judge

ROOT = Path(__file__).parents[3]
LATENT = {  # multi-head latent attention: no query, key or value per head reads the stream
    "axk1", "axk2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "dots3_note_text",
    "glm4_moe_lite", "glm_moe_dsa", "minicpm3", "youtu",
}  # fmt: skip
OWN_ATTENTION = {  # attention computed in the model's own code, past transformers' registry
    "bloom", "codegen", "falcon", "gpt_neo", "gpt_neox_japanese", "gptj", "mpt", "xglm",
}  # fmt: skip


@pytest.mark.parametrize("family", attention_families())
def test_family_opens_or_is_refused_with_its_reason(family: str) -> None:
    verdict = judge(family)
    if family in REFUSED:
        assert not verdict.opens
        assert REFUSED[family] in verdict.reason
        return
    assert verdict.opens, verdict.reason
    check = verdict.check
    assert check is not None
    assert check.stream_error < 1e-6
    assert check.heads_error < 1e-6
    assert check.can_start_late
    assert {"resid_pre", "z", "attn_out", "mlp_out"} <= set(check.writable)
    allowed = {"neurons"}  # experts have none
    allowed |= {"q", "k", "v"} if family in LATENT else set()
    allowed |= {"pattern"} if family in OWN_ATTENTION else set()
    allowed |= {"q", "pattern"} if family == "diffllama" else set()
    assert set(check.missing) <= allowed, check.missing


def test_at_least_100_families_open_and_every_other_is_named() -> None:
    families = attention_families()
    opened = [family for family in families if judge(family).opens]
    assert sorted(set(families) - set(opened)) == sorted(REFUSED)
    assert len(opened) >= 100
    assert len(opened) == len(families) - len(REFUSED)


def test_every_model_type_is_counted_or_left_out_for_a_reason() -> None:
    reasons = {family: left_out(family) for family in CLASSES}
    assert {f for f, reason in reasons.items() if reason is None} == set(attention_families())
    assert all(SAID[family] == reasons[family] for family in SAID if family in reasons)
    assert "linear_attention" not in ATTENTION


@pytest.mark.parametrize(
    ("family", "norm", "neurons"),
    [
        ("opt", "LayerNorm", "Linear"),  # fc1 and fc2 lie flat in the block
        ("gpt2", "LayerNorm", "Conv1D"),
        ("falcon", "LayerNorm", "FalconLinear"),  # adds in place
        ("axk2", "AXK2GatedRMSNorm", None),  # a norm with weight matrices in it
        ("dbrx", "LayerNorm", None),  # both norms inside the attention module
        ("olmo2", None, "Linear"),  # reads the stream without a norm
        ("qwen2_moe", "Qwen2MoeRMSNorm", None),  # a shared expert beside the routed ones
    ],
)
def test_what_the_mlp_reads(family: str, norm: str | None, neurons: str | None) -> None:
    mlp = Model.build(tiny_model(family)).anatomy.blocks[1].mlp
    assert mlp is not None
    assert (type(mlp.norm).__name__ if mlp.norm else None) == norm
    assert (type(mlp.neurons).__name__ if mlp.neurons else None) == neurons


@pytest.mark.parametrize("family", ["gptj", "gpt_neox", "falcon", "phi", "cohere"])
def test_parallel_blocks_are_seen(family: str) -> None:
    assert all(block.parallel for block in Model.build(tiny_model(family)).anatomy.blocks)


def test_a_residual_multiplier_is_measured() -> None:
    module = tiny_model("granite")
    blocks = Model.build(module).anatomy.blocks
    assert blocks[0].attention is not None
    assert blocks[0].attention.write.scale == pytest.approx(module.config.residual_multiplier)


def test_a_layer_with_another_layers_keys_does_not_start_late() -> None:
    sizes = {
        "vocab_size": 151, "vocab_size_per_layer_input": 151, "hidden_size_per_layer_input": 8,
        "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "intermediate_size": 48, "num_hidden_layers": 6, "num_kv_shared_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"] * 3,
    }  # fmt: skip
    torch.manual_seed(0)
    config = transformers.Gemma4TextConfig(**sizes)
    model = Model.build(transformers.Gemma4ForCausalLM(config).eval())
    assert not model.check.can_start_late
    last = model.anatomy.blocks[-1].attention
    assert last is not None
    assert last.aside is not None
    assert last.q is None


def test_the_table_in_the_documentation_is_the_one_the_code_finds() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    made_with = re.search(r"transformers (\S+)", page)
    assert made_with is not None
    if made_with[1] != transformers.__version__:
        pytest.skip(f"docs/models.md was made with transformers {made_with[1]}")
    spec = spec_from_file_location("maker", ROOT / "docs" / "make_models_table.py")
    assert spec is not None
    assert spec.loader is not None
    maker = module_from_spec(spec)
    spec.loader.exec_module(maker)
    rows = re.findall(r"^\| `([^`]+)` \| \S+ \| (yes|no) \|", page, re.M)
    found = [(f, "yes" if judge(f).opens else "no") for f in sorted(attention_families())]
    assert rows == found
    assert maker.left_out_table() in page


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "gemma2"])
def test_bfloat16_opens_with_its_projections(family: str) -> None:
    model = Model.build(tiny_model(family).to(torch.bfloat16))
    assert all(b.attention and b.attention.q for b in model.anatomy.blocks)
