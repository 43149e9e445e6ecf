"""Hooks of others on a model: obeyed, as plain loops over the same model show, or refused."""

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrize

import pellucid
from pellucid import Contrast, ContrastBatch, Edit, HookError, Site
from pellucid.model.running.foreign import foreign_hooks
from tests.models.every_call import tiny_llama

CLEAN, CORRUPTED = [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 9, 6, 7, 8]
QUESTION = Contrast(CLEAN, CORRUPTED, 11, 13)
STEERING = torch.randn(32, generator=torch.Generator().manual_seed(1))


def first(output):
    return output[0] if isinstance(output, tuple) else output


def steer_at_5(module, args, output):
    """Looks at an absolute position: wrong, or an error, in a sequence that was cut."""
    stream = first(output).clone()
    stream[:, 5] += STEERING
    return stream if torch.is_tensor(output) else (stream, *output[1:])


def forward_hook(hf):
    return hf.model.layers[0].register_forward_hook(steer_at_5)


def pre_hook(hf):
    def steer(module, args):
        stream = args[0].clone()
        stream[:, 6] -= STEERING
        return (stream, *args[1:])

    return hf.lm_head.register_forward_pre_hook(steer)


def hook_on_the_model(hf):
    def scale(module, args, kwargs, output):
        output.logits = output.logits * torch.arange(1, 9)[:, None]
        return output

    return hf.register_forward_hook(scale, with_kwargs=True)


def hook_for_all_modules(hf):
    def steer(module, args, output):
        return steer_at_5(module, args, output) if module is hf.model.layers[1].mlp else None

    return register_module_forward_hook(steer)


class Removing:
    """What undoes a change that has no handle."""

    def __init__(self, remove):
        self.remove = remove


def replaced_forward(hf):
    block, own = hf.model.layers[1], hf.model.layers[1].forward
    block.forward = lambda *args, **kwargs: steer_at_5(None, None, own(*args, **kwargs))
    return Removing(lambda: vars(block).pop("forward"))


class _Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def parametrization(hf):
    part = hf.model.layers[0].mlp.down_proj
    parametrize.register_parametrization(part, "weight", _Doubled())
    return Removing(lambda: parametrize.remove_parametrizations(part, "weight", False))


def backward_hook(hf):
    def halve(module, into, out):
        return tuple(None if g is None else g / 2 for g in into)

    return hf.model.layers[1].mlp.register_full_backward_hook(halve)


CHANGES = [
    forward_hook,
    pre_hook,
    hook_on_the_model,
    hook_for_all_modules,
    replaced_forward,
    parametrization,
]
PART_OF_IT = (hook_for_all_modules, replaced_forward)
"""What cannot be left out of the proof."""
each_change = pytest.mark.parametrize("change", CHANGES)


def plain_metric(hf, ids):
    with torch.no_grad():
        logits = hf(torch.tensor([ids])).logits[0, -1]
    return float(logits[11] - logits[13])


def plain_patched(hf, layer, head):
    """Head output of the corrupted prompt put into the clean one, with a hook of the test's own."""
    out_proj = hf.model.layers[layer].self_attn.o_proj
    seen = []
    look = out_proj.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    plain_metric(hf, CORRUPTED)
    look.remove()

    def put(module, args):
        z = args[0].clone()
        z[..., head * 8 : head * 8 + 8] = seen[0][..., head * 8 : head * 8 + 8]
        return (z,)

    putting = out_proj.register_forward_pre_hook(put)
    try:
        return plain_metric(hf, CLEAN)
    finally:
        putting.remove()


@each_change
@pytest.mark.parametrize("when", ["before opening", "after opening"])
def test_measured_effects_are_those_of_plain_loops_with_the_same_change(change, when):
    hf = tiny_llama()
    if when == "before opening" and change not in PART_OF_IT:
        handle = change(hf)
        model = pellucid.load(hf)
    else:
        model = pellucid.load(hf)
        handle = change(hf)
    try:
        trace = pellucid.record(model, QUESTION)
        assert trace.metric_clean.item() == pytest.approx(plain_metric(hf, CLEAN), abs=1e-4)
        assert trace.metric_corrupted.item() == pytest.approx(plain_metric(hf, CORRUPTED), abs=1e-4)
        effects = pellucid.patch(model, QUESTION)
        names = [place.name for place in effects.places]
        for layer in (0, 1):
            for head in range(4):
                wanted = plain_metric(hf, CLEAN) - plain_patched(hf, layer, head)
                found = float(effects.effect[0, names.index(f"L{layer}H{head}")])
                assert found == pytest.approx(wanted, abs=2e-4), (layer, head)
    finally:
        handle.remove()


@pytest.mark.parametrize("change", PART_OF_IT)
def test_what_fails_on_the_few_tokens_of_the_proof_is_refused_by_name(change):
    hf = tiny_llama()
    handle = change(hf)
    try:
        with pytest.raises(
            HookError,
            match=r"(steer on all modules|lambda> on model\.layers\.1): IndexError",
        ) as caught:
            pellucid.load(hf)
        assert len(caught.value.hooks) == 1
    finally:
        handle.remove()
    assert not foreign_hooks(hf)


def test_gradients_go_through_backward_hooks():
    hf = tiny_llama()
    model = pellucid.load(hf)
    site = Site("resid_pre", 1)
    without = pellucid.record(model, QUESTION, sites=[site]).gradient[site]
    handle = backward_hook(hf)
    found = pellucid.record(model, QUESTION, sites=[site]).gradient[site]
    stream = hf.model.embed_tokens(torch.tensor([CLEAN])).detach()
    entering = []

    def note(module, args):
        entering.append(args[0].requires_grad_())
        args[0].retain_grad()

    hf.requires_grad_(False)
    noting = hf.model.layers[1].register_forward_pre_hook(note)
    logits = hf(inputs_embeds=stream.requires_grad_()).logits[0, -1]
    (wanted,) = torch.autograd.grad(logits[11] - logits[13], entering[0])
    noting.remove()
    handle.remove()
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found, without, atol=1e-3)


@each_change
def test_every_row_of_a_padded_batch_sees_its_whole_prompt(change):
    hf = tiny_llama()
    model = pellucid.load(hf)
    handle = change(hf)
    longer = Contrast([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 9, 6, 7, 8], 11, 13)
    shorter = Contrast([9, 8, 7, 6, 5, 4, 3], [9, 8, 2, 6, 5, 4, 3], 11, 13)
    try:
        if change is hook_on_the_model:
            return
        found = pellucid.record(model, ContrastBatch((longer, shorter))).metric_clean
        wanted = [plain_metric(hf, one.clean) for one in (longer, shorter)]
        assert found.tolist() == pytest.approx(wanted, abs=1e-4)
    finally:
        handle.remove()


@each_change
def test_a_value_read_or_written_is_that_of_the_changed_model(change):
    hf = tiny_llama()
    model = pellucid.load(hf)
    handle = change(hf)
    seen = []
    try:
        read = pellucid.activations(model, [CLEAN], "L0 mlp_out")["L0 mlp_out"]
        look = hf.model.layers[0].mlp.register_forward_hook(lambda m, a, out: seen.append(out))
        with torch.no_grad():
            plain = hf(torch.tensor([CLEAN])).logits
        look.remove()
        torch.testing.assert_close(read, seen[0][0], atol=1e-4, rtol=1e-4)
        edits = [Edit(site=Site("mlp_out", 1), operation="add", value=STEERING)]
        found = pellucid.run_edited(model, CLEAN, edits)
        put = hf.model.layers[1].mlp.register_forward_hook(lambda m, a, out: out + STEERING)
        with torch.no_grad():
            wanted = hf(torch.tensor([CLEAN])).logits
        put.remove()
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(found, plain, atol=1e-3)
    finally:
        handle.remove()


def test_a_hook_that_edits_one_row_of_a_batch_is_refused():
    hf = tiny_llama()
    model = pellucid.load(hf)

    def first_row_alone(module, args, output):
        stream = first(output).clone()
        stream[0] += STEERING
        return stream if torch.is_tensor(output) else (stream, *output[1:])

    hf.model.layers[0].register_forward_hook(first_row_alone)
    with pytest.raises(HookError, match=r"first_row_alone on model\.layers\.0, a prompt's logits"):
        pellucid.patch(model, QUESTION)


ADDING_UP = {
    "attribute_edges": lambda m: pellucid.attribute_edges(m, QUESTION, method="eap"),
    "patch_edges": lambda m: pellucid.patch_edges(m, QUESTION, edges=[("L0H1", "M1")]),
    "direct_effects": lambda m: pellucid.direct_effects(m, QUESTION),
    "neurons": lambda m: pellucid.neurons(m, QUESTION, 1),
}


@pytest.mark.parametrize("call", ADDING_UP.values(), ids=ADDING_UP.keys())
def test_what_rests_on_sums_refuses_hooks_that_change_them_and_takes_those_that_look(call):
    hf = tiny_llama()
    model = pellucid.load(hf)
    plain = call(model)
    looked = []
    looking = hf.model.layers[0].register_forward_hook(
        lambda module, args, output: looked.append(first(output)[:, 5].clone()) or None
    )
    found = call(model)
    for name in ("matrix", "effect", "shares"):
        if hasattr(plain, name):
            torch.testing.assert_close(getattr(found, name), getattr(plain, name), equal_nan=True)
    assert looked
    looking.remove()
    steering = forward_hook(hf)
    with pytest.raises(HookError, match=r"steer_at_5 on model\.layers\.0, so what is read"):
        call(model)
    steering.remove()
    assert call(model) is not None


def test_a_lens_whose_way_out_is_hooked_is_refused():
    hf = tiny_llama()
    model = pellucid.load(hf)
    handle = pre_hook(hf)
    with pytest.raises(pellucid.PellucidError, match=r"Something besides the stream"):
        pellucid.logit_lens(model, CLEAN)
    handle.remove()
    handle = forward_hook(hf)
    lens = pellucid.logit_lens(model, CLEAN)
    with torch.no_grad():
        wanted = hf(torch.tensor([CLEAN])).logits[0, -1].softmax(-1).topk(1)
    handle.remove()
    assert lens is not None
    assert float(wanted.values[0]) > 0
