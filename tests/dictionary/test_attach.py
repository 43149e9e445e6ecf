"""Latents and errors as parts of a model: by hand, and by everything that takes parts."""

from functools import cache

import pytest
import torch
from torch.nn.functional import normalize

import pellucid
from pellucid import Dictionary, DictionaryError, Edit, EditError, Model, Site, with_dictionaries
from pellucid.run.edit import run_edited
from tests.models.small import PAIR, tiny

WIDTH, N = 16, 40


def drawn(hook: str = "blocks.1.hook_resid_pre", *out: str, seed: int = 0, **more) -> Dictionary:
    generator = torch.Generator().manual_seed(seed)
    W_dec = normalize(torch.randn(N, WIDTH, generator=generator, dtype=torch.float64))
    return Dictionary(
        W_enc=W_dec.T.contiguous(), b_enc=torch.full((N,), -0.2).double(), W_dec=W_dec,
        b_dec=torch.randn(WIDTH, generator=generator).double() / 4,
        **{"activation": "relu", "centred": not out, "hook_in": hook, "hooks_out": out or (hook,),
           **more},
    )  # fmt: skip


PLACES = {
    "stream": drawn(),
    "layer norm": drawn(normalise="layer_norm", activation="topk", k=5),
    "mlp_out": drawn("blocks.1.hook_mlp_out"),
    "attn_out": drawn("blocks.0.hook_attn_out"),
    "z": drawn("blocks.1.attn.hook_z"),
    "transcoder": drawn("blocks.1.hook_resid_mid", "blocks.1.hook_mlp_out"),
}


@cache
def put_in(name: str) -> Model:
    return with_dictionaries(tiny("rms"), PLACES[name])


def seen(model: Model, *sites: Site) -> list[torch.Tensor]:
    trace = pellucid.record(model, PAIR, sites=[Site("resid_pre", 0)], observed=sites)
    return [trace.clean[site] for site in sites]


@pytest.mark.parametrize("name", PLACES)
def test_latents_and_error_add_up_to_what_stands_there(name: str):
    model, given = put_in(name), PLACES[name]
    layer = given.site_out.layer
    x, out, latents, error = seen(
        model, given.site_in, given.site_out, Site("latents", layer), Site("error", layer)
    )
    x, out = x.flatten(2), out.flatten(2)
    assert int((latents > 0).sum()) > 20
    torch.testing.assert_close(given.encode(x), latents)
    torch.testing.assert_close(given.decode(latents, x) + error, out)


@pytest.mark.parametrize("name", PLACES)
def test_what_is_put_in_is_what_one_would_put_there_by_hand(name: str):
    model, given = put_in(name), PLACES[name]
    layer, plain = given.site_out.layer, tiny("rms")
    logits = run_edited(plain, PAIR.clean, [])
    for site in ("latents", "error"):
        same = Edit(site=Site(site, layer), operation="add", value=0.0)
        assert torch.equal(run_edited(model, PAIR.clean, [same]), logits)
    latents, x = seen(model, Site("latents", layer), given.site_in)
    index = int(latents.sum((0, 1)).argmax())
    changed = latents.clone()
    changed[..., index] = 3.0
    moved = given.decode(changed, x.flatten(2)) - given.decode(latents, x.flatten(2))
    by_hand = Edit(
        site=given.site_out, operation="add",
        value=moved.reshape(seen(model, given.site_out)[0].shape),
    )  # fmt: skip
    by_name = Edit(site=Site("latents", layer), value=3.0, heads=index)
    expected = run_edited(plain, PAIR.clean, [by_hand])
    torch.testing.assert_close(run_edited(model, PAIR.clean, [by_name]), expected)
    assert not torch.allclose(expected, logits, atol=1e-3)


@pytest.mark.parametrize("name", [name for name in PLACES if name != "layer norm"])
def test_all_latents_and_the_error_are_all_there_is_at_the_place(name: str):
    """Replaced together, they leave what the corrupted prompt has there."""
    model, given = put_in(name), PLACES[name]
    layer = given.site_out.layer
    found = pellucid.faithfulness(model, PAIR, [], over=f"L{layer}.latents+E{layer}")
    plain = tiny("rms")
    whole = pellucid.record(plain, PAIR, sites=[given.site_out, Site("resid_pre", 0)])
    put = Edit(site=given.site_out, value=whole.corrupted[given.site_out])
    logits = run_edited(plain, PAIR.clean, [put])[0, -1]
    expected = float(logits[PAIR.answer] - logits[PAIR.foil])
    assert found.metric_none == pytest.approx(expected, abs=1e-9)


def test_estimates_are_gradients_of_measured_effects():
    model, layer = put_in("stream"), 1
    trace = pellucid.record(model, PAIR, sites=[Site("latents", layer), Site("error", layer)])
    found = pellucid.attribute(model, PAIR, method="atp", parts="L1.latents+E1")
    site = Site("latents", layer)
    step = 1e-5
    for index in trace.clean[site].sum((0, 1)).topk(3).indices.tolist():
        change = trace.corrupted[site][..., index] - trace.clean[site][..., index]
        edit = Edit(site=site, operation="add", heads=index, value=step * change[..., None])
        moved = (
            run_edited(model, PAIR.clean, [edit])[0, -1] - run_edited(model, PAIR.clean, [])[0, -1]
        )
        slope = -float(moved[PAIR.answer] - moved[PAIR.foil]) / step
        assert float(found.estimate[index]) == pytest.approx(slope, abs=1e-4)
    assert found.nodes[-1].name == "E1"


def test_parts_are_patched_searched_and_saved(tmp_path):
    model = put_in("stream")
    over = "L1.latents+E1"
    effects = pellucid.patch(model, PAIR, sites=over)
    assert effects.to_frame()["node"].tolist()[-2:] == [f"L1F{N - 1}", "E1"]
    circuit = pellucid.discover(model, PAIR, over=over, insist=True, target=0.5)
    names = {node.name for node in circuit.nodes}
    assert names
    assert names <= set(effects.to_frame()["node"])
    measured = pellucid.faithfulness(model, PAIR, circuit)
    assert measured.sufficiency == pytest.approx(circuit.sufficiency, abs=1e-9)
    again = pellucid.Circuit.load(circuit.save(tmp_path / "circuit"))
    assert [node.name for node in again.nodes] == [node.name for node in circuit.nodes]
    with pytest.raises(pellucid.MismatchError, match="weights"):
        pellucid.faithfulness(with_dictionaries(tiny("rms"), drawn(seed=1)), PAIR, again)


def test_gradients_in_front_of_a_dictionary_are_what_they_were():
    names = [Site("resid_pre", 0), Site("z", 0)]
    with_it = pellucid.record(put_in("stream"), PAIR, sites=[*names, Site("latents", 1)])
    without = pellucid.record(tiny("rms"), PAIR, sites=names)
    for site in names:
        torch.testing.assert_close(with_it.gradient[site], without.gradient[site])


def test_what_does_not_fit_is_refused():
    plain = tiny("rms")
    for name in ("L1.latents", "L1F3", "E1"):
        with pytest.raises(EditError):
            pellucid.patch(plain, PAIR, sites=name)
    with pytest.raises(EditError, match="no dictionary was put into this layer"):
        run_edited(plain, PAIR.clean, [Edit(site=Site("latents", 1), value=0.0)])
    wide = Dictionary(
        W_enc=torch.eye(5), b_enc=torch.zeros(5), W_dec=torch.eye(5), b_dec=torch.zeros(5),
        activation="relu", hook_in="L1 resid_pre", hooks_out=("L1 resid_pre",), model="gpt2",
    )  # fmt: skip
    with pytest.raises(DictionaryError, match=r"5 wide at .* and TinyTransformer 16: .* for gpt2"):
        with_dictionaries(plain, wide)
    with pytest.raises(DictionaryError, match="Layer 1 has a dictionary already"):
        with_dictionaries(plain, [drawn(), drawn("blocks.1.hook_mlp_out")])
    with pytest.raises(DictionaryError, match=r"writes blocks.2.hook_resid_pre"):
        with_dictionaries(plain, drawn("blocks.1.hook_resid_post"))
    with pytest.raises(DictionaryError, match="cross-layer"):
        with_dictionaries(plain, crossing())
    assert put_in("stream").weight_hash != plain.weight_hash
    assert put_in("stream").module is plain.module


def crossing() -> Dictionary:
    one = drawn()
    outs = ("blocks.0.hook_mlp_out", "blocks.1.hook_mlp_out")
    return Dictionary(
        W_enc=one.W_enc, b_enc=one.b_enc, W_dec=torch.stack([one.W_dec, one.W_dec], 1),
        b_dec=one.b_dec, activation="relu", hook_in="blocks.0.hook_mlp_in", hooks_out=outs,
    )  # fmt: skip
