"""Neurons: their shares sum to the MLP's, and what they promote is what they add to the logits."""

import pytest
import torch

import pellucid
from pellucid import EditError, Neurons, TaskError
from tests.models.small import BATCH, PAIR, family, tiny


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "olmo2", "phi", "cohere"])
def test_neurons_and_bias_sum_to_the_mlp_s_share(name):
    direct = pellucid.direct_effects(family(name), BATCH)
    column = [term.name for term in direct.terms].index("M1")
    found = pellucid.neurons(family(name), BATCH, 1)
    torch.testing.assert_close(found.total, direct.per_example[:, column], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_closed_form_and_what_taking_a_neuron_away_does_to_the_logits(norm):
    model = tiny(norm)
    module = model.module
    found = pellucid.neurons(model, PAIR, 1, top=3)
    seen = {}
    hooks = [
        module.norm.register_forward_pre_hook(lambda m, args: seen.update(x=args[0][0, -1])),
        module.layers[1].mlp.down_proj.register_forward_pre_hook(
            lambda m, args: seen.update(act=args[0][0, -1])
        ),
    ]
    with torch.no_grad():
        module(input_ids=torch.tensor([PAIR.clean]))
    for hook in hooks:
        hook.remove()
    x = seen["x"]
    centred = x - x.mean() if norm == "layer" else x
    sigma = (centred.square().mean() + (1e-5 if norm == "layer" else 1e-6)).sqrt()
    for i, neuron in enumerate(found.top.tolist()):
        wrote = seen["act"][neuron] * module.layers[1].mlp.down_proj.weight[:, neuron]
        wrote = wrote - wrote.mean() if norm == "layer" else wrote
        logits = (module.lm_head.weight @ (wrote / sigma * module.norm.weight)).detach()
        share = float(logits[6] - logits[8])
        assert float(found.share[neuron]) == pytest.approx(share, abs=1e-12)
        torch.testing.assert_close(found.logit_change[i], logits - logits.mean())
        assert found.promotes[i][0] == str(int(logits.argmax()))
        assert found.suppresses[i][0] == str(int(logits.argmin()))
    assert found.share.abs().topk(3).indices.tolist() == found.top.tolist()


def test_through_a_norm_behind_the_mlp_the_logit_change_holds_the_share():
    for name in ("gemma2", "olmo2", "gpt2"):
        found = pellucid.neurons(family(name), PAIR, 0, top=4)
        change = found.logit_change[:, 6] - found.logit_change[:, 8]
        torch.testing.assert_close(change.double(), found.share[found.top], rtol=1e-4, atol=1e-7)


def test_what_has_no_neurons_says_so():
    with pytest.raises(EditError, match="experts"):
        pellucid.neurons(family("mixtral"), PAIR, 1)
    with pytest.raises(EditError, match="no MLP"):
        pellucid.neurons(tiny("attention-only"), PAIR, 1)
    with pytest.raises(EditError, match="layers 0 to 1"):
        pellucid.neurons(tiny("rms"), PAIR, 2)
    with pytest.raises(TaskError, match="at least one"):
        pellucid.neurons(tiny("rms"), PAIR, 1, top=0)


def test_neurons_survive_being_written_down(tmp_path):
    found = pellucid.neurons(tiny("rms"), PAIR, 1)
    again = Neurons.load(found.save(tmp_path / "neurons"))
    assert again.to_frame().equals(found.to_frame())
    assert list(found.to_frame().columns) == [
        "layer", "neuron", "activation", "share", "promotes", "suppresses",
    ]  # fmt: skip
    assert max(len(line) for line in str(found).splitlines()) <= 80
