"""Every layout is read as its owner reads it, told by its content, and nothing is unpickled."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import pellucid
from pellucid import Dictionary, DictionaryError, read_dictionary
from pellucid.dictionary import published
from pellucid.dictionary.published import RELEASES, neuronpedia_address
from tests.dictionary.owners import B_DEC, B_ENC, OWNERS, W_DEC, W_ENC, D, K, N, X, sparsify


@pytest.mark.parametrize("name", OWNERS)
def test_a_layout_computes_what_its_owner_does(name: str, tmp_path: Path):
    owner = OWNERS[name]
    found = read_dictionary(owner.write(tmp_path / "given"), **owner.options)
    latents, outputs = owner.computes()
    assert (found.format, found.hook_in, found.activation) == (
        owner.format, owner.hook_in, owner.activation,
    )  # fmt: skip
    assert int((latents > 0).sum()) > 10
    torch.testing.assert_close(found.encode(X), latents, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.decode(latents, X), outputs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.reconstruct(X), outputs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", OWNERS)
@pytest.mark.parametrize("format", ["saelens", "circuit-tracer"])
def test_what_is_exported_is_read_back_equal(name: str, format: str, tmp_path: Path):
    owner = OWNERS[name]
    found = read_dictionary(owner.write(tmp_path / "given"), **owner.options)
    thresholded = found.activation in ("relu", "jumprelu", "batchtopk")
    holds = {
        "saelens": found.kind == "autoencoder" or (thresholded and found.W_dec.ndim == 2),
        "circuit-tracer": thresholded and not found.centred,
    }
    if not holds[format]:
        with pytest.raises(DictionaryError, match="has no"):
            found.export(tmp_path / "written", format=format)
        return
    place = found.export(tmp_path / "written", format=format)
    again = read_dictionary(place)
    assert torch.equal(again.encode(X), found.encode(X))
    assert torch.equal(again.reconstruct(X), found.reconstruct(X))
    assert (again.hook_in, again.kind, again.model) == (found.hook_in, found.kind, found.model)


@pytest.mark.parametrize("name", ["SAELens gated", "circuit-tracer cross-layer", "Llama Scope"])
def test_a_saved_dictionary_is_the_same(name: str, tmp_path: Path):
    found = read_dictionary(OWNERS[name].write(tmp_path / "given"), **OWNERS[name].options)
    again = read_dictionary(found.save(tmp_path / "saved"))
    assert isinstance(again, Dictionary)
    assert again.digest == found.digest
    assert torch.equal(again.reconstruct(X), found.reconstruct(X))


def test_a_pickled_object_is_never_run(tmp_path: Path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    for name, data in (("ae.pt", pickle.dumps({"W_enc": Evil()})), ("cut.pt", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DictionaryError, match="without running"):
            read_dictionary(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_an_unknown_layout_says_what_is_there_and_what_was_expected(tmp_path: Path):
    save_file({"up": W_ENC, "down": W_DEC}, tmp_path / "weights.safetensors")
    with pytest.raises(DictionaryError, match=r"up \[6, 11\].*Known are: cfg.json") as found:
        read_dictionary(tmp_path)
    assert set(found.value.found) == {"up", "down"}
    assert len(found.value.expected) > 5


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda cfg, w: cfg.update(architecture="temporal"), "architecture='temporal'"),
        (lambda cfg, w: cfg.update(normalize_activations="covariance_whitening"), "whitening"),
        (lambda cfg, w: w.update(b_enc=B_ENC[:-1].clone()), r"b_enc is \[10\].*should be \[11\]"),
        (lambda cfg, w: w.update(W_dec=W_DEC / 0), "W_dec holds NaN or infinity"),
        (lambda cfg, w: w.pop("b_enc"), "It looks like saelens"),
        (lambda cfg, w: cfg.update(architecture="topk", k=None), "k is None"),
    ],
)
def test_what_is_damaged_is_refused_by_name(break_it, said, tmp_path: Path):
    place = OWNERS["SAELens"].write(tmp_path / "given")
    cfg, weights = (
        json.loads((place / "cfg.json").read_text()),
        load_file(place / "sae_weights.safetensors"),
    )
    break_it(cfg, weights)
    (place / "cfg.json").write_text(json.dumps(cfg))
    save_file(weights, place / "sae_weights.safetensors")
    with pytest.raises(DictionaryError, match=said):
        read_dictionary(place)


def test_several_layers_need_one(tmp_path: Path):
    folder = OWNERS["circuit-tracer"].write(tmp_path / "given")
    with pytest.raises(DictionaryError, match=r"layers: 0, 1\. Give layer="):
        read_dictionary(folder)
    with pytest.raises(DictionaryError, match="Give layer="):
        read_dictionary(folder, layer=7)
    with pytest.raises(DictionaryError, match="Its folders given do"):
        read_dictionary(tmp_path)
    with pytest.raises(DictionaryError, match="nothing at"):
        read_dictionary(tmp_path / "nowhere")


def test_what_a_file_does_not_say_is_asked_for(tmp_path: Path):
    whole = OWNERS["Qwen Scope"].write(tmp_path)
    bare = tmp_path / "layer6.sae.pt"
    bare.write_bytes(whole.read_bytes())
    with pytest.raises(DictionaryError, match="Give k="):
        read_dictionary(bare)
    assert read_dictionary(bare, k=2).k == 2
    named = read_dictionary(bare, k=2, hook_name="blocks.1.hook_mlp_out")
    assert (named.hook_in, named.hooks_out) == ("blocks.1.hook_mlp_out",) * 1 + (
        ("blocks.1.hook_mlp_out",),
    )


def test_a_published_name_goes_through_the_hub(tmp_path: Path, monkeypatch):
    asked = []

    def snapshot_download(repo, *, allow_patterns, local_files_only):
        asked.append((repo, allow_patterns[0], local_files_only))
        OWNERS["SAELens early"].write(tmp_path / allow_patterns[0])
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    for name in ("gpt2-small-res-jb", "gpt2"):
        found = read_dictionary(name, layer=9, offline=name == "gpt2")
        assert found.hook_in == "blocks.9.hook_resid_pre"
    repo, path = "jbloom/GPT2-Small-SAEs-Reformatted", "blocks.9.hook_resid_pre"
    assert asked == [(repo, path, False), (repo, path, True)]
    with pytest.raises(DictionaryError, match=r"has layers 0, 1.*Give layer="):
        read_dictionary("gpt2-small-res-jb", layer=12)
    assert neuronpedia_address("gpt2-small", "9-res-jb", 4821).endswith("/gpt2-small/9-res-jb/4821")
    assert set(published.DEFAULT_FOR.values()) <= set(RELEASES)


def test_without_a_network_the_error_says_what_to_do(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(DictionaryError, match="The hub did not answer: no network"):
        read_dictionary("gpt2-small-res-jb", layer=0)


class Held(torch.nn.Module):
    """What somebody else may hold."""

    def __init__(self, act, centred: bool = True):
        super().__init__()
        self.encoder = torch.nn.Linear(D, N)
        self.decoder = torch.nn.Linear(N, D, bias=False)
        self.b_dec = torch.nn.Parameter(B_DEC.clone())
        self.k, self.act, self.centred = K, act, centred
        with torch.no_grad():
            self.encoder.weight.copy_(W_ENC.T)
            self.encoder.bias.copy_(B_ENC)
            self.decoder.weight.copy_(W_DEC.T)

    def encode(self, x):
        return self.act(self.encoder(x - self.b_dec if self.centred else x))

    def decode(self, latents):
        return self.decoder(latents) + self.b_dec


def top_3(pre):
    kept = pre.relu().topk(K, dim=-1)
    return torch.zeros_like(pre).scatter(-1, kept.indices, kept.values)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("act", "activation"), [(torch.relu, "relu"), (top_3, "topk")])
def test_a_held_object_is_read_by_what_it_computes(act, activation, centred):
    held = Held(act, centred)
    found = read_dictionary(held, hook_name="blocks.2.hook_resid_pre")
    assert (found.activation, found.centred) == (activation, centred)
    with torch.no_grad():
        torch.testing.assert_close(found.encode(X), held.encode(X))
        torch.testing.assert_close(found.reconstruct(X), held.decode(held.encode(X)))


def test_a_held_object_that_does_something_else_is_refused():
    with pytest.raises(DictionaryError, match="none of relu, topk"):
        read_dictionary(Held(lambda pre: pre.relu().square()))
    with pytest.raises(DictionaryError, match=r"no encode\(\) and decode\(\)"):
        read_dictionary(torch.nn.Linear(2, 2))


def test_a_sparsify_transcoder_does_not_subtract_the_bias(tmp_path: Path):
    found = read_dictionary(sparsify(True)(tmp_path))
    assert not found.centred
    assert found.kind == "skip transcoder"
    with pytest.raises(DictionaryError, match="needs the inputs"):
        found.decode(found.encode(X))
    with pytest.raises(DictionaryError, match="target="):
        found.error(X)
    with pytest.raises(pellucid.EditError, match=r"reads 'blocks.5.mlp.hook_in'"):
        _ = found.site_in


def test_prefixes_are_dictionaries(tmp_path: Path):
    found = read_dictionary(OWNERS["dictionary_learning matryoshka"].write(tmp_path))
    assert found.prefixes == (4, N)
    first = found.first(4)
    assert torch.equal(first.encode(X), found.encode(X)[:, :4])
    assert first.prefixes == (4,)
    with pytest.raises(DictionaryError, match="there are 11 latents"):
        found.first(12)


def test_widths_errors_and_heads():
    found = Dictionary(
        W_enc=W_ENC, b_enc=B_ENC, W_dec=W_DEC, b_dec=B_DEC, activation="relu",
        hook_in="blocks.0.attn.hook_z", hooks_out=("blocks.0.attn.hook_z",),
    )  # fmt: skip
    torch.testing.assert_close(found.encode(X.unflatten(-1, (2, 3))), found.encode(X))
    torch.testing.assert_close(found.error(X) + found.reconstruct(X), X)
    with pytest.raises(DictionaryError, match="of width 6, and was given"):
        found.encode(X[:, :5])
    with pytest.raises(DictionaryError, match="threshold is None, and should be one per latent"):
        replace(found, activation="jumprelu")
    half = found.to(torch.bfloat16)
    assert half.encode(X).dtype == torch.bfloat16
    assert found.to_frame().shape == (N, 5)
    assert str(found) == "Autoencoder of 11 latents (relu) at blocks.0.attn.hook_z"
