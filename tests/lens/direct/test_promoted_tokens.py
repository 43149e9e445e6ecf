"""What one part adds to every logit: its share in the decision, and a closed form."""

import pytest
import torch

import pellucid
from pellucid.lens.direct.decision import at_read, decide, one_token_each
from pellucid.lens.direct.promoted_tokens import promoted, sites_of_part
from tests.models.small import PAIR, family, tiny


def change_of(model, name: str) -> torch.Tensor:
    encoded = one_token_each(model, PAIR)
    node = next(node for node in model.nodes if node.name == name)
    views = dict.fromkeys(sites_of_part(node), at_read(encoded.reads.repeat(2, 1)))
    with torch.inference_mode(False):
        return promoted(model, decide(model, encoded, views), node)[0]


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "olmo2", "phi", "cohere"])
def test_answer_minus_foil_is_the_share_in_the_direct_effects(name):
    model = family(name)
    direct = pellucid.direct_effects(model, PAIR)
    share = {term.name: direct.per_example[0, i] for i, term in enumerate(direct.terms)}
    for node in ("L0H1", "L1H0", "M1"):
        change = change_of(model, node).double()
        found = change[6] - change[8]
        torch.testing.assert_close(found, share[node], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_a_head_in_closed_form(norm):
    model = tiny(norm)
    module = model.module
    seen = {}
    hooks = [
        module.norm.register_forward_pre_hook(lambda m, args: seen.update(x=args[0][0, -1])),
        module.layers[1].attention.o_proj.register_forward_pre_hook(
            lambda m, args: seen.update(z=args[0][0, -1])
        ),
    ]
    with torch.no_grad():
        module(input_ids=torch.tensor([PAIR.clean]))
    for hook in hooks:
        hook.remove()
    weight = module.layers[1].attention.o_proj.weight.detach()
    size = weight.shape[1] // model.anatomy.blocks[1].attention.n_heads
    own = slice(size, 2 * size)
    wrote = weight[:, own] @ seen["z"][own]
    centre = norm == "layer"
    x = seen["x"] - seen["x"].mean() if centre else seen["x"]
    sigma = (x.square().mean() + (1e-5 if centre else 1e-6)).sqrt()
    wrote = wrote - wrote.mean() if centre else wrote
    logits = (module.lm_head.weight @ (wrote / sigma * module.norm.weight)).detach()
    torch.testing.assert_close(change_of(model, "L1H1"), logits - logits.mean())
