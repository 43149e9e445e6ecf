"""Models that accelerate has put its hooks on: the same numbers, or refused by name."""

import copy

import pytest
import torch

import pellucid
from pellucid import Contrast, ModelError
from tests.model.opening.test_quantised import llama

accelerate = pytest.importorskip("accelerate")
pytestmark = [pytest.mark.optional, pytest.mark.filterwarnings("ignore")]
QUESTION = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)


def test_a_dispatched_model_gives_the_numbers_of_the_plain_one():
    hf = llama()
    wanted = pellucid.load(copy.deepcopy(hf))
    held = accelerate.dispatch_model(hf, device_map={"": "cpu"}, force_hooks=True)
    forwards = {name: part.forward for name, part in held.named_modules()}
    model = pellucid.load(held)
    for call in (pellucid.attribute, pellucid.patch, pellucid.direct_effects):
        found, same = call(model, QUESTION).per_example, call(wanted, QUESTION).per_example
        assert torch.allclose(found, same, atol=1e-5)  # prefixes are not shared under its forwards
    assert {name: part.forward for name, part in held.named_modules()} == forwards


def test_weights_that_are_elsewhere_are_refused_by_name(tmp_path):
    hf = llama()
    accelerate.disk_offload(hf, tmp_path, execution_device=torch.device("cpu"))
    with pytest.raises(ModelError, match=r"embed_tokens\.weight is on the meta device"):
        pellucid.load(hf)
