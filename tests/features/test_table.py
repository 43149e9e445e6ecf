"""Examples are where latents are active, and promoted tokens are what the unembedding says."""

import pytest
import torch

import pellucid
from pellucid import DictionaryError, LatentTable, describe_latents
from tests.features.test_attribute import drawn
from tests.models.small import tiny

TEXTS = [[(5 * i * i + 3 * i * n + n) % 31 for i in range(6 + n % 7)] for n in range(30)]


@pytest.mark.parametrize("hook", ["blocks.1.hook_resid_pre", "blocks.1.hook_mlp_out"])
def test_examples_are_where_a_latent_is_active(hook: str):
    model, given = tiny("rms"), drawn(16, hook)
    found = describe_latents(model, given, TEXTS, top=7, examples=3)
    acts = pellucid.activations(model, TEXTS, hook)
    kept = acts.positions >= 1
    latents = given.encode(acts[hook])
    order = latents[kept].max(0).values.argsort(descending=True)[:7]
    assert [row.index for row in found.rows] == order.tolist()
    for row in found.rows:
        assert row.density == pytest.approx(
            float((latents[kept][:, row.index] > 0).double().mean())
        )
        assert [one.value for one in row.examples] == sorted(
            (one.value for one in row.examples), reverse=True
        )
        assert len({one.text for one in row.examples}) == len(row.examples)
        for one in row.examples:
            at = int(acts.starts[one.text]) + one.position
            assert float(latents[at, row.index]) == pytest.approx(one.value)
            assert one.token == str(int(acts.tokens[at]))
        best = latents[kept][:, row.index].max()
        assert row.examples[0].value == pytest.approx(float(best))


@pytest.mark.parametrize("hook", ["blocks.1.hook_resid_pre", "blocks.1.attn.hook_z"])
def test_promoted_tokens_are_those_that_the_direction_raises(hook: str):
    """A large multiple of the direction alone: only it is left behind the norm."""
    model, given = tiny("rms"), drawn(16, hook)
    found = describe_latents(model, given, TEXTS, latents=[3, 11])
    module = model.module
    for row in found.rows:
        direction = given.W_dec[row.index]
        if hook.endswith("z"):
            direction = model.anatomy.blocks[1].attention.out_proj.weight.detach() @ direction
        with torch.no_grad():
            logits = module.lm_head(module.norm(1e6 * direction) - module.norm(0 * direction))
        assert row.promotes == tuple(map(str, logits.topk(5).indices.tolist()))
        assert row.suppresses == tuple(map(str, (-logits).topk(5).indices.tolist()))
        assert row.name == f"L1F{row.index}"


def test_the_table_is_saved_and_printed(tmp_path):
    found = describe_latents(tiny("rms"), drawn(16, "blocks.1.hook_resid_pre"), TEXTS, top=4)
    again = LatentTable.load(found.save(tmp_path / "table"))
    assert again.to_frame().equals(found.to_frame())
    assert all(len(line) <= 80 for line in str(found).splitlines())
    assert "promotes" in str(found)
    with pytest.raises(DictionaryError, match="they go from 0 to 39"):
        describe_latents(tiny("rms"), drawn(16, "blocks.1.hook_resid_pre"), TEXTS, latents=[40])
    with pytest.raises(DictionaryError, match="give at least one"):
        describe_latents(tiny("rms"), drawn(16, "blocks.1.hook_resid_pre"), TEXTS, top=0)
