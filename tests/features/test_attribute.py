"""Shares add up, estimates are slopes, effects are runs: each against what else computes it."""

from functools import cache

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import pellucid
from pellucid import Dictionary, DictionaryError, Edit, Site, TaskError, attribute_features
from pellucid.features.result import FeatureAttribution
from tests.models.small import BATCH, PAIR, family, tiny

N = 40


def drawn(width: int, hook: str, *out: str, seed: int = 0, dtype=torch.float64) -> Dictionary:
    generator = torch.Generator().manual_seed(seed)
    W_dec = normalize(torch.randn(N, width, generator=generator)).to(dtype)
    return Dictionary(
        W_enc=W_dec.T.contiguous(), b_enc=torch.full((N,), -0.1).to(dtype), W_dec=W_dec,
        b_dec=(torch.randn(width, generator=generator) / 4).to(dtype), activation="relu",
        centred=not out, hook_in=hook, hooks_out=out or (hook,),
    )  # fmt: skip


STREAM = drawn(16, "blocks.1.hook_resid_pre")
PLACES = {
    "stream": [STREAM],
    "mlp": [drawn(16, "blocks.0.hook_mlp_out")],
    "heads": [drawn(16, "blocks.1.attn.hook_z")],
    "transcoder": [drawn(16, "blocks.1.hook_mlp_in", "blocks.1.hook_mlp_out")],
    "two": [STREAM, drawn(16, "blocks.0.hook_mlp_out", seed=1)],
}


@cache
def found(place: str = "stream", variety: str = "rms", **more) -> FeatureAttribution:
    return attribute_features(tiny(variety), PAIR, PLACES[place], **{"top": 6, **more})


def metric(model, edits, prompt=PAIR.clean) -> float:
    logits = pellucid.run_edited(model, prompt, edits)[0, -1]
    return float(logits[PAIR.answer] - logits[PAIR.foil])


@pytest.mark.parametrize("variety", ["rms", "layer", "grouped", "parallel"])
@pytest.mark.parametrize("place", PLACES)
def test_shares_error_bias_and_what_passes_by_add_up(place: str, variety: str):
    got = found(place, variety)
    for account in got.accounts:
        assert account.residual < 1e-9
        assert account.exact
        parts = ("features", "error", "bias", "beside", "constant")
        assert sum(getattr(account, name) for name in parts) == pytest.approx(account.metric)
        own = [i for i, node in enumerate(got.nodes) if node.layer == account.layer]
        assert float(got.share[:, own].sum()) == pytest.approx(account.features, abs=1e-9)
    assert not got.caveats


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "opt", "phi"])
def test_shares_of_real_families_add_up_or_are_not_given(name: str):
    """Norms with and without biases, gates, parallel blocks; gemma's cap bends the logits."""
    model = family(name)
    width = model.anatomy.d_model
    got = attribute_features(
        model, PAIR, drawn(width, "blocks.1.hook_resid_pre", dtype=torch.float32), top=3
    )
    (account,) = got.accounts
    if name == "gemma2":
        assert not account.exact
        assert bool(got.share.isnan().all())
        assert "could not be held affine" in got.caveats[0]
    else:
        assert account.exact, account
        assert bool(got.share.isfinite().all())


def test_effects_are_runs_with_the_direction_taken_out():
    got, model = found(), tiny("rms")
    acts = pellucid.activations(model, [list(PAIR.clean)], STREAM.site_in)
    latents = STREAM.encode(acts[STREAM.site_in])
    for i, node in enumerate(got.nodes[j] for j in got.measured.tolist()):
        taken = -latents[:, node.head, None] * STREAM.W_dec[node.head]
        edit = Edit(site=STREAM.site_in, operation="add", value=taken[None])
        by_hand = metric(model, []) - metric(model, [edit])
        assert float(got.effect[0, i]) == pytest.approx(by_hand, abs=1e-9)
    top = {got.nodes[j].head for j in got.measured[: got.n_top].tolist()}
    taken = -sum(latents[:, i, None] * STREAM.W_dec[i] for i in top)
    edit = Edit(site=STREAM.site_in, operation="add", value=taken[None])
    assert float(got.joint_top[-1]) == pytest.approx(metric(model, []) - metric(model, [edit]))
    assert got.sizes == (1, 2, 4, 6)
    assert float(got.joint_top[0]) == pytest.approx(float(got.effect[0, 0]))


def test_without_the_error_effects_are_of_the_reconstruction():
    got, model = found(error="dropped"), tiny("rms")

    def put(latents):
        value = STREAM.decode(latents)[None]
        return metric(model, [Edit(site=STREAM.site_in, value=value)])

    acts = pellucid.activations(model, [list(PAIR.clean)], STREAM.site_in)
    latents = STREAM.encode(acts[STREAM.site_in])
    index = got.nodes[int(got.measured[0])].head
    without = latents.clone()
    without[:, index] = 0
    assert float(got.effect[0, 0]) == pytest.approx(put(latents) - put(without), abs=1e-9)


def test_the_mean_replaces_latents_where_it_is_asked_for():
    got, model = found(ablation="mean"), tiny("rms")
    acts = pellucid.activations(model, [list(PAIR.clean), list(PAIR.corrupted)], STREAM.site_in)
    latents = STREAM.encode(acts[STREAM.site_in])
    index = got.nodes[int(got.measured[0])].head
    change = latents[: len(PAIR.clean), index].mul(-1) + latents[:, index].mean()
    edit = Edit(
        site=STREAM.site_in, operation="add", value=(change[:, None] * STREAM.W_dec[index])[None]
    )
    by_hand = metric(model, []) - metric(model, [edit])
    assert float(got.effect[0, 0]) == pytest.approx(by_hand, abs=1e-9)


def test_estimates_are_slopes_and_paths_come_nearer_to_effects():
    got, model = found(check="path"), tiny("rms")
    put_in = pellucid.with_dictionaries(model, STREAM)
    site, step = Site("latents", 1), 1e-5
    for i in got.measured[:3].tolist():
        shrink = Edit(site=site, operation="scale", value=1 - step, heads=got.nodes[i].head)
        slope = (metric(model, []) - metric(put_in, [shrink])) / step
        assert float(got.estimate[0, i]) == pytest.approx(slope, rel=1e-3, abs=1e-5)
    by_name = {one.score: one for one in got.against()}
    off = {name: abs(got_score - got.effect[0]).max() for name, got_score in
           {"path": got.path[0], "estimate": got.estimate[0, got.measured]}.items()}  # fmt: skip
    assert float(off["path"]) < 0.05 * float(got.effect.abs().max())
    assert float(off["path"]) <= float(off["estimate"])
    assert by_name["path"].pearson > 0.99
    assert by_name["path"].slope == pytest.approx(1, abs=0.05)


def test_several_contrasts_are_what_each_is_alone():
    both = attribute_features(tiny("rms"), BATCH, STREAM, top=4)
    one = found()
    shared = [node for node in both.nodes if node in one.nodes]
    for node in shared:
        i, j = both.nodes.index(node), one.nodes.index(node)
        assert float(both.share[0, i]) == pytest.approx(float(one.share[0, j]), abs=1e-9)
        assert float(both.estimate[0, i]) == pytest.approx(float(one.estimate[0, j]), abs=1e-9)
    assert len(shared) > 10


def test_drawn_latents_stand_beside_and_the_table_says_which():
    got = found()
    table = got.to_frame()
    assert table["drawn"].sum() == 6
    assert table["latent"].is_unique
    assert table["effect"].notna().sum() == 12
    assert set(table["latent"][:6]) == {got.nodes[i].name for i in got.measured[:6].tolist()}
    assert "against effects" in str(got)
    assert np.isclose(table["share"].sum(), float(got.share.sum()))
    again = FeatureAttribution.from_json(got.to_json())
    assert again.to_frame().equals(table)


def test_on_random_labels_no_feature_is_claimed():
    """The result has no verdict: what it says is beside what is drawn."""
    got = found()
    assert not hasattr(got, "claim")


def test_what_cannot_be_asked_is_refused():
    model = tiny("rms")
    for wrong in ({"top": 0}, {"ablation": "noise"}, {"error": "half"}, {"check": "all"}):
        with pytest.raises(TaskError):
            attribute_features(model, PAIR, STREAM, **wrong)
    with pytest.raises(DictionaryError, match="There is no dictionary"):
        attribute_features(model, PAIR, [])
    long = pellucid.Contrast(PAIR.clean, PAIR.corrupted, [1, 2], [3, 4])
    with pytest.raises(TaskError, match="one token each"):
        attribute_features(model, long, STREAM)
