"""A recording is right, costs what it says, and leaves nothing behind."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import pellucid
from pellucid import Contrast, ContrastBatch, EditError, Model, NonFiniteError, Site
from pellucid.model.proof.selfcheck import fingerprint
from pellucid.run import paired_call
from pellucid.run.sites import node_sites


def metric_with(model, tokens, site, change):
    """Logit difference of tokens 6 and 8 with ``change`` applied at a site by a plain hook."""
    block = model.module.layers[site.layer]
    target = block.attention.o_proj if site.kind == "z" else block.mlp
    if site.kind == "z":
        handle = target.register_forward_pre_hook(lambda m, args: (change(args[0]),))
    else:
        handle = target.register_forward_hook(lambda m, args, out: change(out))
    try:
        with torch.no_grad():
            logits = model.module(torch.tensor([tokens])).logits[0, -1]
    finally:
        handle.remove()
    return float(logits[6] - logits[8])


def test_gradients_equal_finite_differences(tiny, pair):
    trace = pellucid.record(tiny, pair)
    kinds = [Site("z", 1)] + ([Site("mlp_out", 1)] if tiny.anatomy.blocks[1].mlp else [])
    generator = torch.Generator().manual_seed(0)
    for site in kinds:
        gradient = trace.gradient[site].flatten(2)
        direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
        step = 1e-5
        up, down = (
            metric_with(tiny, pair.clean, site, lambda x, move=s * direction: x + move)
            for s in (step, -step)
        )
        slope = (up - down) / (2 * step)
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-7, abs=1e-9)


def test_one_call_and_two_calls_record_the_same(tiny, pair, monkeypatch):
    beside = pellucid.record(tiny, pair)
    monkeypatch.setattr(paired_call, "SHORT", 0)
    apart = pellucid.record(tiny, pair)
    assert beside.passes.calls == 1
    assert apart.passes.calls == 2
    for part in ("clean", "corrupted", "gradient"):
        for site, value in getattr(apart, part).items():
            torch.testing.assert_close(getattr(beside, part)[site], value, rtol=0, atol=1e-12)
    torch.testing.assert_close(beside.metric_corrupted, apart.metric_corrupted)


def test_autocast_around_a_call_is_that_of_the_model(pair):
    torch.manual_seed(0)
    config = GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=40)
    model = Model.build(GPT2LMHeadModel(config).eval())
    plain = pellucid.record(model, pair)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            logits = model.module(torch.tensor([pair.clean])).logits[0, -1].float()
        cast = pellucid.record(model, pair)
        assert pellucid.patch(model, pair).per_example.isfinite().all()
        assert pellucid.discover(model, pair, insist=True).passes.forwards > 2
    assert float(cast.metric_clean) == pytest.approx(float(logits[6] - logits[8]), abs=1e-6)
    assert not torch.equal(cast.metric_clean, plain.metric_clean)
    for site, gradient in plain.gradient.items():
        near = torch.cosine_similarity(cast.gradient[site].float(), gradient, dim=-1)
        assert near[gradient.norm(dim=-1) > 1e-6].min() > 0.99


def test_costs_two_forwards_and_one_backward(one_tiny, pair):
    passes = pellucid.record(one_tiny, pair).passes
    assert (passes.forwards, passes.backwards) == (2, 1)


def test_only_the_sites_asked_for_are_kept(one_tiny, pair):
    trace = pellucid.record(one_tiny, pair, sites=[Site("z", 1)])
    assert list(trace.clean) == list(trace.corrupted) == list(trace.gradient) == [Site("z", 1)]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_without_gradients_around_it(mode, one_tiny, pair):
    outside = pellucid.record(one_tiny, pair)
    with mode():
        inside = pellucid.record(one_tiny, pair)
    for site in outside.gradient:
        assert torch.equal(inside.gradient[site], outside.gradient[site])


def test_nothing_is_left_behind_even_after_an_exception(pair):
    model = Model.build(GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=40)))
    model.module.train()
    before, random_state = fingerprint(model.module), torch.get_rng_state()
    pellucid.record(model, pair)
    with pytest.raises(ZeroDivisionError):
        pellucid.record(model, pair, metric=lambda logits, encoded: 1 / 0)
    with pytest.raises(NonFiniteError, match="is nan"):
        pellucid.record(model, pair, metric=lambda logits, encoded: logits.sum((1, 2)) * torch.nan)
    pellucid.analyze(model, pair, insist=True)
    assert fingerprint(model.module) == before
    assert all(parameter.grad is None for parameter in model.module.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def families():
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2}
    yield GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=32, **sizes))
    yield LlamaForCausalLM(
        LlamaConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            **sizes,
        )
    )


@pytest.mark.parametrize("module", list(families()), ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("padding", ["right", "left"])
def test_padding_on_either_side_changes_no_number(module, padding, batch):
    model = Model.build(module.eval())
    batched = pellucid.record(model, batch, padding=padding)
    for i, contrast in enumerate(batch):
        alone = pellucid.record(model, contrast)
        length = alone.encoded.clean.shape[1]
        columns = slice(0, length) if padding == "right" else slice(-length, None)
        torch.testing.assert_close(batched.metric_clean[i], alone.metric_clean[0])
        for site in node_sites(model):
            for part in ("clean", "corrupted", "gradient"):
                torch.testing.assert_close(
                    getattr(batched, part)[site][i, columns], getattr(alone, part)[site][0]
                )


def test_an_answer_of_several_tokens_is_a_sum_over_its_tokens(one_tiny):
    contrast = Contrast([3, 7, 11, 2], [3, 7, 5, 2], (6, 1, 9), (8, 4))
    trace = pellucid.record(one_tiny, contrast, metric="logit_diff")

    def by_steps(prompt, more):
        total = 0.0
        for i, token in enumerate(more):
            with torch.no_grad():
                logits = one_tiny.module(torch.tensor([[*prompt, *more[:i]]])).logits[0, -1]
            total += float(logits.log_softmax(-1)[token])
        return total

    wanted = by_steps([3, 7, 11, 2], (6, 1, 9)) - by_steps([3, 7, 11, 2], (8, 4))
    assert float(trace.metric_clean) == pytest.approx(wanted, abs=1e-12)


def test_kl_is_zero_on_the_clean_run_and_costs_one_forward_more(one_tiny, pair):
    trace = pellucid.record(one_tiny, pair, metric="kl")
    assert float(trace.metric_clean) == pytest.approx(0, abs=1e-12)
    assert float(trace.metric_corrupted) < 0
    assert trace.passes.forwards == 3


def test_no_site_is_refused_by_name(one_tiny, pair):
    with pytest.raises(EditError, match="names no site"):
        pellucid.record(one_tiny, pair, sites=[])


def test_a_batch_can_be_taken_from_lists(one_tiny):
    made = ContrastBatch.from_lists([[1, 2, 3]], [[1, 4, 3]], [5], [6])
    assert float(pellucid.record(one_tiny, made).metric_clean) == pytest.approx(
        float(pellucid.record(one_tiny, made[0]).metric_clean)
    )
