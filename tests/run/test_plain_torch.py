"""Recordings and batched runs against a second implementation that knows nothing of ours.

``computed`` is the tiny transformer written out again as plain functions of its weights, with a
leaf wherever a node writes; autograd and replacement on it are what ours must equal.
"""

import dataclasses
import functools

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import pellucid
from pellucid import Contrast, ContrastBatch, Model, Site
from pellucid.model.proof.selfcheck import fingerprint
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.run.ablation import replacements
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from pellucid.run.variants import Unit, run_variants

EXACT = {"rtol": 0, "atol": 1e-11}


def computed(module, tokens, put=None):
    """Logits, and every tensor that a node writes, with ``put[site]`` instead where given."""
    put, seen, config = put or {}, {}, module.config
    weights = {name: p.detach() for name, p in module.named_parameters()}

    def write(site, value):
        seen[site] = put.get(site, value)
        return seen[site]

    def normed(name, x):
        if config.norm == "none":
            return x
        centred = x - x.mean(-1, keepdim=True) if config.norm == "layer" else x
        eps = 1e-5 if config.norm == "layer" else 1e-6
        scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
        return scaled * weights[f"{name}.weight"] + weights.get(f"{name}.bias", 0.0)

    length, d_head = len(tokens), config.head_dim
    stream = write(
        Site("resid_pre", 0), weights["embed.weight"][tokens] + weights["position.weight"][:length]
    )
    for i in range(config.num_hidden_layers):
        at = f"layers.{i}"
        x = normed(f"{at}.attention_norm", stream)
        heads = []
        for h in range(config.num_attention_heads):
            kv = h * config.num_key_value_heads // config.num_attention_heads
            q, k, v = (
                x @ weights[f"{at}.attention.{which}_proj.weight"][n * d_head : (n + 1) * d_head].T
                for which, n in (("q", h), ("k", kv), ("v", kv))
            )
            rows = []
            for query in range(length):  # each query by itself, so that no mask is needed
                scores = (k[: query + 1] @ q[query]) / d_head**0.5
                rows.append(torch.softmax(scores, 0) @ v[: query + 1])
            heads.append(torch.stack(rows))
        z = write(Site("z", i), torch.stack(heads, 1))  # pos head d_head
        after = stream + z.flatten(1) @ weights[f"{at}.attention.o_proj.weight"].T
        if config.d_mlp:
            x = normed(f"{at}.mlp_norm", stream if config.parallel else after)
            up = x @ weights[f"{at}.mlp.up_proj.weight"].T + weights[f"{at}.mlp.up_proj.bias"]
            gelu = up * 0.5 * (1 + torch.erf(up / 2**0.5))
            down = gelu @ weights[f"{at}.mlp.down_proj.weight"].T
            after = after + write(Site("mlp_out", i), down + weights[f"{at}.mlp.down_proj.bias"])
        stream = after
    return normed("norm", stream) @ weights["lm_head.weight"].T, seen


def test_the_seed_decides_every_weight():
    first, again, other = (TinyTransformer(TinyConfig(), seed=s).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(not torch.equal(first[n], other[n]) for n in first if "norm" not in n)


def metric(logits):
    return logits[-1, 6] - logits[-1, 8]


def test_values_and_gradients_are_those_of_plain_autograd(tiny, pair):
    trace = pellucid.record(tiny, pair)
    _, clean = computed(tiny.module, list(pair.clean))
    _, corrupted = computed(tiny.module, list(pair.corrupted))
    assert set(clean) == set(trace.clean)
    for site in clean:
        torch.testing.assert_close(trace.clean[site][0], clean[site], **EXACT)
        torch.testing.assert_close(trace.corrupted[site][0], corrupted[site], **EXACT)
        # The leaf goes in where the node writes; everything downstream depends on it.
        leaf = clean[site].clone().requires_grad_()
        logits, _ = computed(tiny.module, list(pair.clean), {site: leaf})
        (gradient,) = torch.autograd.grad(metric(logits), leaf)
        torch.testing.assert_close(trace.gradient[site][0], gradient, **EXACT)


def test_the_embedding_s_gradient_equals_finite_differences(tiny, pair):
    site = Site("resid_pre", 0)
    trace = pellucid.record(tiny, pair)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(trace.clean[site][0].shape, generator=generator, dtype=torch.float64)
    direction /= direction.norm()
    up, down = (
        metric(computed(tiny.module, list(pair.clean), {site: trace.clean[site][0] + s})[0])
        for s in (1e-5 * direction, -1e-5 * direction)
    )
    slope = float((trace.gradient[site][0] * direction).sum())
    assert float((up - down) / 2e-5) == pytest.approx(slope, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("base", ["clean", "corrupted"])
@pytest.mark.parametrize("ablation", ["corrupted", "mean", "zero"])
def test_sets_of_nodes_replaced_together_equal_the_second_implementation(
    base, ablation, tiny, pair
):
    trace = pellucid.record(tiny, pair, sites=[*node_sites(tiny), *stream_sites(tiny)])
    sites = [site for site in node_sites(tiny) if site.kind != "resid_pre"]
    if ablation == "corrupted" and base == "corrupted":
        values = {site: trace.clean[site] for site in sites}
    else:
        values = replacements(trace, ablation, sites)
    units = [
        unit
        for site in sites
        for unit in ([Unit(site, h) for h in range(4)] if site.kind == "z" else [Unit(site)])
    ]
    generator = torch.Generator().manual_seed(1)
    replaced = torch.rand(9, len(units), generator=generator) < 0.4
    replaced[0], replaced[1] = False, True
    found = run_variants(Setup(model=tiny, trace=trace), units, replaced, values, base=base)
    tokens = list(pair.clean if base == "clean" else pair.corrupted)
    for row, value in zip(replaced, found[:, 0], strict=True):
        wanted = metric(replaced_in_turn(tiny.module, tokens, units, row, values))
        torch.testing.assert_close(value, wanted, **EXACT)


def replaced_in_turn(module, tokens, units, row, values):
    """Logits with the chosen units replaced, layer by layer: a later one sees the earlier ones."""
    put = {}
    for site in dict.fromkeys(unit.site for unit in units):
        chosen = [u for u, on in zip(units, row.tolist(), strict=True) if on and u.site == site]
        if not chosen:
            continue
        new = computed(module, tokens, put)[1][site].clone()
        source = values[site][0].expand_as(new)
        for unit in chosen:
            part = (slice(None),) if unit.head is None else (slice(None), unit.head)
            new[part] = source[part]
        put[site] = new
    return computed(module, tokens, put)[0]


def test_the_mean_is_over_every_position_of_both_prompts(one_tiny, pair):
    trace = pellucid.record(one_tiny, pair)
    for site, mean in replacements(trace, "mean", node_sites(one_tiny)).items():
        both = [computed(one_tiny.module, list(p))[1][site] for p in (pair.clean, pair.corrupted)]
        torch.testing.assert_close(mean[0, 0], torch.cat(both).mean(0), **EXACT)


def hugging_face():
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "bos_token_id": 1, "eos_token_id": 2}
    yield GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=32, **sizes))
    yield LlamaForCausalLM(
        LlamaConfig(
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            **sizes,
        )
    )


@pytest.fixture(params=[0, 1], ids=["gpt2", "llama"], scope="module")
def double(request):
    """A Hugging Face model in float64."""
    with torch.random.fork_rng():
        return Model.build(list(hugging_face())[request.param].double().eval())


@pytest.mark.parametrize("base", ["clean", "corrupted"])
def test_shortcuts_change_no_number(base, double):
    pairs = ContrastBatch(
        (
            Contrast([3, 7, 11, 2, 9, 4], [3, 7, 11, 5, 9, 4], 6, 8),
            Contrast([1, 4, 9, 16, 25, 36], [1, 4, 9, 16, 7, 36], 10, 11),
        )
    )
    trace = pellucid.record(double, pairs, sites=[*node_sites(double), *stream_sites(double)])
    assert double.check.can_start_late
    assert double.check.can_share_prefix
    assert trace.past.length == 3
    units = [Unit(Site("z", layer), head) for layer in range(3) for head in range(4)]
    units += [Unit(Site("mlp_out", layer)) for layer in range(3)]
    source = trace.corrupted if base == "clean" else trace.clean
    values = {unit.site: source[unit.site] for unit in units}
    replaced = torch.eye(len(units), dtype=torch.bool)
    positions = torch.rand(len(units), 6, generator=torch.Generator().manual_seed(0)) < 0.5
    positions[:, -1] = True
    for at in (None, positions):
        quick = run_variants(
            Setup(model=double, trace=trace), units, replaced, values, base=base, positions=at
        )
        off = dataclasses.replace(double.check, can_start_late=False, can_share_prefix=False)
        slow = run_variants(
            Setup(
                model=dataclasses.replace(double, check=off),
                trace=dataclasses.replace(trace, past=None),
            ),
            units,
            replaced,
            values,
            base=base,
            positions=at,
        )
        torch.testing.assert_close(quick, slow, **EXACT)
        # A head at the last position moves the metric, so agreeing is not agreeing on nothing.
        assert float((quick - quick[0]).abs().max()) > 1e-6


def test_the_memory_budget_decides_calls_not_numbers(double):
    contrast = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 11, 5, 9, 4], 6, 8)
    plenty = pellucid.patch(double, contrast)
    scarce = pellucid.patch(double, contrast, memory_budget=1)
    torch.testing.assert_close(plenty.per_example, scarce.per_example, **EXACT)
    assert plenty.passes.forwards == scarce.passes.forwards == 2 + 12
    assert scarce.passes.calls == 1 + 12
    assert plenty.passes.calls < 4


def test_passes_are_real_calls_of_the_model(double, monkeypatch):
    rows = []
    plain = type(double.module).forward

    @functools.wraps(plain)
    def counting(*args, **kwargs):
        rows.append(len(kwargs["input_ids"]))
        return plain(*args, **kwargs)

    # Not by a hook: while there is one, no shortcut is taken.
    monkeypatch.setattr(type(double.module), "forward", counting)
    contrast = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 11, 5, 9, 4], 6, 8)
    passes = pellucid.record(double, contrast).passes
    assert (passes.forwards, passes.backwards, passes.calls) == (2, 1, 1)
    assert rows == [2]
    rows.clear()
    passes = pellucid.analyze(double, contrast, insist=True, random_sets=3).passes
    assert passes.forwards == sum(rows)
    assert passes.calls == len(rows)


@pytest.mark.parametrize("grad", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_model_is_as_it_was_in_every_gradient_mode(grad, double):
    contrast = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 11, 5, 9, 4], (6, 1), (8,))
    frozen, learning = list(double.module.parameters())[:2]
    frozen.requires_grad_(False)
    double.module.train()
    before = fingerprint(double.module)
    implementation = double.module.config._attn_implementation
    with grad():
        pellucid.attribute(double, contrast, method="ig", steps=2)
        edit = pellucid.Edit(site=Site("pattern", 1), operation="scale", value=0.5)
        pellucid.run_edited(double, [3, 7, 11], [edit])
        with pytest.raises(RuntimeError, match="broken on purpose"):
            pellucid.record(double, contrast, metric=broken)
    assert fingerprint(double.module) == before
    assert double.module.config._attn_implementation == implementation
    assert not frozen.requires_grad
    assert learning.requires_grad
    assert all(p.grad is None for p in double.module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in double.module.modules())
    assert not any("forward" in m.__dict__ for m in double.module.modules())
    frozen.requires_grad_(True)
    double.module.eval()


def broken(logits, encoded):
    raise RuntimeError("broken on purpose")
