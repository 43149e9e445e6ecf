"""Experts and routers of mixtures, against plain hooks on Hugging Face's own modules."""

import pytest
import torch
from transformers import (
    MixtralConfig,
    MixtralForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)

import pellucid
from pellucid import Contrast, Edit, EditError, Site
from tests.models.readable import small_llama

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
SIZES = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "num_experts_per_tok": 2,
}  # fmt: skip
EXPERTS = 4


def mixtral():
    more = {"intermediate_size": 48, "num_local_experts": EXPERTS}
    return MixtralForCausalLM(MixtralConfig(**SIZES, **more))


def qwen():
    sizes = {"moe_intermediate_size": 24, "shared_expert_intermediate_size": 40}
    more = {"num_experts": EXPERTS, "intermediate_size": 48, "decoder_sparse_step": 1}
    return Qwen2MoeForCausalLM(Qwen2MoeConfig(**SIZES, **sizes, **more))


@pytest.fixture(params=[mixtral, qwen], ids=["mixtral", "qwen2-moe"], scope="module")
def opened(request):
    hf = spread(request.param())
    hf.set_experts_implementation("eager")  # the others know no float64
    return pellucid.load(hf.double())


def spread(hf):
    torch.manual_seed(0)
    for parameter in hf.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return hf.eval()


def experts(model, layer):
    return model.module.model.layers[layer].mlp.experts


def dense(index, weights):
    return torch.zeros(len(index), EXPERTS, dtype=weights.dtype).scatter(1, index, weights)


def one_by_one(module, hidden, index, weights):
    """What every expert adds, by the weights that the module holds."""
    found = []
    for e in range(EXPERTS):
        gate, up = (hidden @ module.gate_up_proj[e].T).chunk(2, -1)
        found.append((torch.nn.functional.silu(gate) * up) @ module.down_proj[e].T)
    return torch.stack(found, 1) * dense(index, weights)[..., None]


def logit_diff(model, prompt, layer, *, before=None, after=None, grad=False):
    """The metric under hooks on the experts' module, and what each expert added and weighed."""
    seen = {}

    def pre(module, args):
        hidden, index, weights = args
        seen["weights"] = dense(index, weights.detach())
        if before is None:
            return None
        every = torch.arange(EXPERTS).expand(len(index), -1)
        return hidden, every, before(dense(index, weights))

    def post(module, args, output):
        seen["each"] = one_by_one(module, *args).detach()
        return None if after is None else after(output, seen["each"])

    part = experts(model, layer)
    handles = [part.register_forward_pre_hook(pre), part.register_forward_hook(post)]
    try:
        with torch.set_grad_enabled(grad):
            logits = model.module(torch.tensor([list(prompt)])).logits[0, -1]
    finally:
        for handle in handles:
            handle.remove()
    return logits[PAIR.answer] - logits[PAIR.foil], seen


def test_names_and_what_the_values_are(opened):
    _, seen = logit_diff(opened, PAIR.clean, 1)
    found = pellucid.activations(opened, [list(PAIR.clean)], ["L1 experts", "L1 router"])
    values, weights = (found[Site(kind, 1)] for kind in ("experts", "router"))
    torch.testing.assert_close(values.double(), seen["each"], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights.double(), seen["weights"].double(), atol=1e-6, rtol=1e-5)
    assert ((weights > 0).sum(-1) == 2).all()
    assert {"router", "experts"} <= set(opened.check.writable)


def test_every_expert_and_router_patched_is_what_plain_hooks_measure(opened):
    found = pellucid.patch(opened, PAIR, sites="M1.experts+M1.router")
    assert [p.name for p in found.places] == ["M1.router", *(f"M1E{e}" for e in range(EXPERTS))]
    clean, _ = logit_diff(opened, PAIR.clean, 1)
    _, corrupted = logit_diff(opened, PAIR.corrupted, 1)
    routed, _ = logit_diff(opened, PAIR.clean, 1, before=lambda weights: corrupted["weights"])
    by_hand = [clean - routed]
    for e in range(EXPERTS):

        def swapped(output, each, e=e):
            return output - each[:, e] + corrupted["each"][:, e]

        by_hand.append(clean - logit_diff(opened, PAIR.clean, 1, after=swapped)[0])
    torch.testing.assert_close(found.effect[0], torch.stack(by_hand), atol=1e-9, rtol=1e-7)


def test_estimates_are_change_times_gradient(opened):
    found = pellucid.attribute(opened, PAIR, parts="M0.experts+M0.router", method="atp")
    _, corrupted = logit_diff(opened, PAIR.corrupted, 0)
    _, clean = logit_diff(opened, PAIR.clean, 0)
    change = {name: corrupted[name] - clean[name] for name in clean}
    far = torch.zeros((), dtype=torch.float64, requires_grad=True)

    def slope(**hooks):
        metric, _ = logit_diff(opened, PAIR.clean, 0, grad=True, **hooks)
        return -torch.autograd.grad(metric, far)[0]

    wanted = [slope(before=lambda weights: weights + far * change["weights"])]
    for e in range(EXPERTS):
        wanted.append(slope(after=lambda out, each, e=e: out + far * change["each"][:, e]))
    torch.testing.assert_close(found.estimate, torch.stack(wanted), atol=1e-9, rtol=1e-7)


def test_a_circuit_of_experts_is_as_faithful_as_plain_hooks_say(opened):
    found = pellucid.discover(
        opened, PAIR, over="M0.experts+M1.experts", insist=True, budget=200, target=0.6
    )
    assert {node.kind for node in found.nodes} <= {"expert"}
    _, corrupted = logit_diff(opened, PAIR.corrupted, 1)
    kept = ["M1E0", "M1E3"]
    measured = pellucid.faithfulness(opened, PAIR, kept, over="M1.experts")

    def only(names):
        rest = [e for e in range(EXPERTS) if f"M1E{e}" not in names]
        return logit_diff(
            opened, PAIR.clean, 1,
            after=lambda out, each: out + (corrupted["each"] - each)[:, rest].sum(1),
        )[0]  # fmt: skip

    every = [f"M1E{e}" for e in range(EXPERTS)]
    wanted = (only(kept) - only([])) / (only(every) - only([]))
    assert measured.sufficiency == pytest.approx(float(wanted), rel=1e-6)


def test_edits_and_what_is_refused(opened):
    edit = Edit(site=Site("router", 1), heads=[2], value=0.0)
    edited = pellucid.run_edited(opened, PAIR.clean, [edit])

    def without(weights):
        weights = weights.clone()
        weights[:, 2] = 0
        return weights

    wanted, _ = logit_diff(opened, PAIR.clean, 1, before=without)
    last = edited[0, -1]
    torch.testing.assert_close(last[PAIR.answer] - last[PAIR.foil], wanted)
    with pytest.raises(EditError, match="M1E0 is inside M1"):
        pellucid.discover(opened, PAIR, over="mlps+M1.experts", insist=True)
    with pytest.raises(EditError, match="M1E9"):
        pellucid.patch(opened, PAIR, sites="M1E9")
    with pytest.raises(EditError, match="no mixture of experts"):
        pellucid.run_edited(small_llama(), PAIR.clean, [edit])


@pytest.mark.parametrize("kernel", ["grouped_mm", "batched_mm"])
def test_every_kernel_of_experts_gives_the_same(kernel):
    wanted = pellucid.load(spread(mixtral()))
    wanted.module.set_experts_implementation("eager")
    found = pellucid.load(spread(mixtral()))
    found.module.set_experts_implementation(kernel)
    names = "M0.router+M0.experts+M1.router+M1.experts"
    effects = [pellucid.patch(m, PAIR, sites=names).effect for m in (found, wanted)]
    torch.testing.assert_close(*effects, atol=1e-4, rtol=1e-4)
