"""Shares add up, equal their closed forms, and are refused where no share exists."""

import pytest
import torch
from torch import nn

import pellucid
from pellucid import Contrast, DirectEffects, EditError, Model, TaskError
from pellucid.errors import UnsupportedArchitectureError
from pellucid.lens.direct.direct_versus_total import ShareAgainstEffect
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.models.handbuilt import induction_model
from tests.models.small import BATCH, FAMILIES, PAIR, VARIETIES, family, tiny

EXACT = {"rtol": 0, "atol": 1e-11}


def logit_difference(model, contrast, prompt="clean"):
    with torch.no_grad():
        logits = model.module(input_ids=torch.tensor([getattr(contrast, prompt)])).logits[0, -1]
    return float(logits[contrast.answer] - logits[contrast.foil])


@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "gemma2"])
def test_shares_sum_to_the_model_s_logit_difference(name):
    found = pellucid.direct_effects(family(name), BATCH)
    for i, contrast in enumerate(BATCH):
        own = logit_difference(family(name), contrast)
        assert float(found.total[i]) == pytest.approx(own, abs=2e-6)
        other = logit_difference(family(name), contrast, "corrupted")
        assert float(found.corrupted[i].sum()) == pytest.approx(other, abs=2e-6)
        assert float(found.model_metric[i]) == pytest.approx(own, abs=1e-6)
    assert float(found.residual.abs().max()) < 1e-6
    assert not found.caveats


def test_capped_logits_are_shared_out_before_the_cap_and_said_so():
    found = pellucid.direct_effects(family("gemma2"), PAIR)
    assert "soft-capping" in found.caveats[0]
    assert "soft-capping" in str(found)
    own = logit_difference(family("gemma2"), PAIR)
    assert float(found.model_metric) == pytest.approx(own, abs=1e-7)
    assert abs(float(found.metric - found.model_metric)) > 1e-3
    model = family("gemma2").module
    with torch.no_grad():
        stream = model.model(input_ids=torch.tensor([PAIR.clean])).last_hidden_state
        before = model.lm_head(stream)[0, -1]
    wanted = float(before[PAIR.answer] - before[PAIR.foil])
    assert float(found.metric) == pytest.approx(wanted, abs=1e-6)
    assert float(found.total) == pytest.approx(wanted, abs=1e-6)


def test_biases_are_shares_of_their_own():
    found = pellucid.direct_effects(family("gpt2"), PAIR).to_frame().set_index("node")["share"]
    transformer, head = family("gpt2").module.transformer, family("gpt2").module.lm_head
    line = (head.weight[PAIR.answer] - head.weight[PAIR.foil]).detach()
    assert found["norm.bias"] == pytest.approx(
        float(transformer.ln_f.bias.detach() @ line), abs=1e-7
    )
    assert "A0.bias" in found
    assert "unembed.bias" not in found  # GPT-2 has none
    phi = pellucid.direct_effects(family("phi"), PAIR).to_frame().set_index("node")["share"]
    bias = family("phi").module.lm_head.bias.detach()
    assert phi["unembed.bias"] == pytest.approx(float(bias[6] - bias[8]), abs=1e-7)


@pytest.mark.parametrize("variety", sorted(VARIETIES))
def test_closed_form_on_the_tiny_transformer(variety):
    model = tiny(variety)
    module, config = model.module, model.module.config
    trace = pellucid.record(model, PAIR)
    seen = {}
    hook = module.norm.register_forward_pre_hook(lambda m, args: seen.update(x=args[0][0, -1]))
    logit_difference(model, PAIR)
    hook.remove()
    line = (module.lm_head.weight[6] - module.lm_head.weight[8]).detach()
    x = seen["x"]
    gain = getattr(module.norm, "weight", torch.ones(1)).detach()
    if config.norm == "rms":
        line = line * gain / (x.square().mean() + 1e-6).sqrt()
    elif config.norm == "layer":
        line = line * gain / (x.var(correction=0) + 1e-5).sqrt()
        line = line - line.mean()
    found = pellucid.direct_effects(model, PAIR).to_frame().set_index("node")["share"]
    for site, value in trace.clean.items():
        here = value[0, -1]
        if site.kind == "z":
            W_O = module.layers[site.layer].attention.o_proj.weight.detach()
            for h in range(4):
                wanted = float(W_O[:, 4 * h : 4 * h + 4] @ here[h] @ line)
                assert found[f"L{site.layer}H{h}"] == pytest.approx(wanted, abs=1e-12)
        else:
            name = "embed" if site.kind == "resid_pre" else f"M{site.layer}"
            assert found[name] == pytest.approx(float(here @ line), abs=1e-12)


def test_where_the_model_is_linear_a_share_is_what_ablation_takes_away():
    model = tiny("attention-only")
    found = pellucid.direct_effects(model, PAIR).to_frame().set_index("node")["share"]
    site = pellucid.Site("z", 1)
    for head in range(4):
        logits = pellucid.run_edited(model, PAIR.clean, [pellucid.Edit(site=site, heads=head)])
        left = float(logits[0, -1, 6] - logits[0, -1, 8])
        lost = logit_difference(model, PAIR) - left
        assert found[f"L1H{head}"] == pytest.approx(lost, abs=1e-12)


@pytest.mark.parametrize("variety", ["rms", "layer", "grouped"])
def test_the_change_is_the_direct_part_of_the_metric_difference(variety):
    found = pellucid.direct_effects(tiny(variety), PAIR)
    difference = found.metric - found.metric_corrupted
    torch.testing.assert_close(found.change.sum(), difference.mean(), **EXACT)


def test_examples_of_a_batch_are_those_alone():
    together = pellucid.direct_effects(tiny("grouped"), BATCH)
    for i, contrast in enumerate(BATCH):
        alone = pellucid.direct_effects(tiny("grouped"), contrast)
        torch.testing.assert_close(together.per_example[i], alone.per_example[0], **EXACT)


class Squashed(nn.Module):
    """Dynamic tanh: a final "norm" that is no linear map at any scale."""

    def forward(self, x):
        return torch.tanh(x)


def test_a_final_norm_that_is_no_norm_is_refused():
    module = TinyTransformer(TinyConfig()).eval()
    module.norm = Squashed()
    with pytest.raises(UnsupportedArchitectureError, match="not a linear map"):
        pellucid.direct_effects(Model.build(module), PAIR)
    # ModernBERT has a layer with a GELU between its last block and its unembedding.
    with pytest.raises(UnsupportedArchitectureError, match="patch"):
        pellucid.direct_effects(family("modernbert-decoder"), PAIR)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "gpt_oss"])
def test_shares_by_source_token_sum_to_the_head_s_share(name):
    found = pellucid.direct_effects(family(name), BATCH, split="source")
    heads = [i for i, term in enumerate(found.terms) if term.kind == "head"]
    summed = found.by_source.sum(-1)
    torch.testing.assert_close(summed, found.per_example[:, heads], rtol=1e-5, atol=1e-7)
    assert not found.by_source[0, :, 6:].any()  # padding of the shorter prompt
    frame = found.to_frame("source")
    assert len(frame) == len(heads) * (6 + 8)
    assert frame.query("example == 0 and position == 2")["token"].unique().tolist() == ["11"]


def test_a_share_by_source_is_pattern_times_value_led_to_the_logits():
    model = family("llama")
    module, attention = model.module, model.module.model.layers[2].self_attn
    seen = {}
    hooks = [
        attention.v_proj.register_forward_hook(lambda m, args, out: seen.update(v=out[0])),
        module.model.norm.register_forward_pre_hook(lambda m, args: seen.update(x=args[0][0, -1])),
    ]
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            out = module(input_ids=torch.tensor([PAIR.clean]), output_attentions=True)
    finally:
        module.set_attn_implementation(before)
        for hook in hooks:
            hook.remove()
    norm = module.model.norm
    line = module.lm_head.weight[PAIR.answer] - module.lm_head.weight[PAIR.foil]
    line = line * norm.weight / (seen["x"].square().mean() + norm.variance_epsilon).sqrt()
    found = pellucid.direct_effects(model, PAIR, split="source").to_frame("source")
    for head in range(4):
        kv = head // 2  # two key/value heads serve four heads
        value = seen["v"][:, 8 * kv : 8 * kv + 8]  # key d_head
        W_O = attention.o_proj.weight[:, 8 * head : 8 * head + 8]
        wanted = out.attentions[2][0, head, -1] * (value @ W_O.T @ line)
        here = torch.tensor(found.query(f"node == 'L2H{head}'")["share"].to_numpy())
        torch.testing.assert_close(here, wanted.detach().double(), rtol=1e-4, atol=1e-7)


def test_of_a_circuit_built_by_hand_the_first_head_acts_through_the_second():
    model = Model.build(induction_model())
    # "... A B ... A" asks for B; corrupted, another token comes before B.
    questions = Contrast([1, 5, 7, 2, 9, 5], [1, 6, 7, 2, 9, 5], 7, 8)
    found = pellucid.direct_effects(model, questions)
    shares = found.to_frame().set_index("node")["share"]
    assert shares["L1H2"] == pytest.approx(float(found.metric.mean()), abs=1e-9)
    against = found.compare(pellucid.patch(model, questions))
    assert against.indirect == ("L0H1",)


def test_heads_whose_attention_cannot_be_read_are_not_split():
    for name, reason in [("bloom", "registry"), ("bitnet", "miss"), ("diffllama", "differential")]:
        with pytest.raises(EditError, match=reason):
            pellucid.direct_effects(family(name), PAIR, split="source")
        pellucid.direct_effects(family(name), PAIR)


def test_comparison_with_patching_says_who_acts_directly():
    model = tiny("grouped")
    found = pellucid.direct_effects(model, BATCH)
    patched = pellucid.patch(model, BATCH)
    against = found.compare(patched)
    assert len(against.nodes) == 12
    frame = against.to_frame()
    torch.testing.assert_close(against.effect, patched.effect[0])
    large = frame["effect"].abs() >= 0.1 * frame["effect"].abs().max()
    small = frame["change"].abs() < 0.25 * frame["effect"].abs()
    assert set(against.indirect) == set(frame[large & small]["node"])
    assert against.share_agreement.pearson == pytest.approx(
        frame["share"].corr(frame["effect"]), abs=1e-12
    )
    assert "Act through others" in str(against)
    with pytest.raises(TaskError, match="one effect per component"):
        found.compare(pellucid.patch(model, PAIR, sites="resid", positions="each"))
    with pytest.raises(TaskError, match="No component"):
        found.compare(pellucid.patch(model, PAIR, sites="attn"))


def test_the_model_is_left_as_it_was_and_gradients_may_be_off():
    model = family("gpt2")
    plain = pellucid.direct_effects(model, PAIR)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            again = pellucid.direct_effects(model, PAIR)
        torch.testing.assert_close(again.per_example, plain.per_example)
    assert all(p.requires_grad and p.grad is None for p in model.module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())


def test_questions_without_shares_are_refused():
    model = tiny("rms")
    with pytest.raises(TaskError, match=r"one of several: '6' \| '9'"):
        pellucid.direct_effects(model, Contrast(PAIR.clean, PAIR.corrupted, (6, 9), 8))
    with pytest.raises(TaskError, match="'none' or 'source'"):
        pellucid.direct_effects(model, PAIR, split="tokens")
    with pytest.raises(TaskError, match="split by source"):
        pellucid.direct_effects(model, PAIR).to_frame("source")


def test_shares_survive_being_written_down(tmp_path):
    model = family("llama")
    found = pellucid.direct_effects(model, PAIR, split="source")
    again = DirectEffects.load(found.save(tmp_path / "direct"))
    assert again.to_frame().equals(found.to_frame())
    assert torch.equal(again.by_source, found.by_source)
    against = found.compare(pellucid.patch(model, PAIR))
    read = ShareAgainstEffect.load(against.save(tmp_path / "against"))
    assert read.to_frame().equals(against.to_frame())
    assert list(found.to_frame().columns) == [
        "node", "kind", "layer", "head", "position", "example", "share", "change",
    ]  # fmt: skip


@pytest.mark.smol
def test_shares_of_a_real_decision(smol):
    contrast = Contrast(
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Anna gave a drink to",
        " Mary",
        " John",
    )
    found = pellucid.direct_effects(smol, contrast, split="source")
    assert float(found.residual.abs().max()) < 1e-4
    heads = found.to_frame().query("kind == 'head'").set_index("node")["share"]
    assert heads.idxmax() == "L23H3"
    sources = found.to_frame("source").query("node == 'L23H3'")
    assert sources.loc[sources["share"].idxmax(), "token"] == " John"
    against = found.compare(pellucid.patch(smol, contrast))
    assert {"L17H4", "L19H2", "L20H0"} <= set(against.indirect)
    for text in (str(found), str(against)):
        assert max(len(line) for line in text.splitlines()) <= 80
