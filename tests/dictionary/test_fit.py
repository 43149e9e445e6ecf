"""Known features are found again; a training that was stopped goes on as if it had not been."""

from pathlib import Path

import pytest
import torch

import pellucid
from pellucid import Callback, Dictionary, DictionaryError, fit_dictionary
from pellucid.dictionary.training import checkpoint, fit
from pellucid.dictionary.training.losses import jump, passes, sparse_of
from pellucid.errors import NonFiniteError, ResultFileError
from tests.dictionary.mixtures import N_FEATURES, mean_best_cosine, mixed
from tests.models.small import tiny

QUICK = {"batch": 256, "learning_rate": 1e-2, "epochs": 4}


def fvu(found: Dictionary, values: torch.Tensor) -> float:
    return float(found.error(values).square().sum() / (values - values.mean(0)).square().sum())


@pytest.mark.parametrize(
    ("how", "more"),
    [("batchtopk", {}), ("topk", {}), ("jumprelu", {"epochs": 10, "learning_rate": 5e-3}),
     ("relu", {"l1": 1.0})],
)  # fmt: skip
def test_independent_features_are_found(how: str, more: dict):
    data = mixed()
    found = fit_dictionary(data.values, N_FEATURES, activation=how, k=3, **{**QUICK, **more})
    assert mean_best_cosine(found.W_dec, data.features) >= 0.95
    assert fvu(found, data.values) < 0.2
    if how != "relu":
        count = (found.encode(data.values) > 0).sum(1).float()
        assert float(count.mean()) == pytest.approx(3, abs=0.05 if how != "jumprelu" else 2)
        assert how != "topk" or int(count.max()) == 3


@pytest.mark.parametrize("how", ["correlated", "hierarchical"])
def test_dependent_features_are_mostly_found(how: str):
    """What is found of them is in docs/methods/training-dictionaries.md; this holds it there."""
    data = mixed(how)
    found = fit_dictionary(data.values, N_FEATURES, k=data.k, **QUICK)
    assert 0.9 < mean_best_cosine(found.W_dec, data.features) < 0.97


def test_first_latents_of_a_matryoshka_dictionary_reconstruct_more_than_others_do():
    data = mixed("hierarchical")
    nested = fit_dictionary(
        data.values, N_FEATURES, activation="matryoshka", k=data.k, prefixes=(10,), **QUICK
    )
    plain = fit_dictionary(data.values, N_FEATURES, k=data.k, **QUICK)
    assert nested.prefixes == (10, N_FEATURES)
    assert fvu(nested.first(10), data.values) < fvu(plain.first(10), data.values) - 0.1


def test_a_transcoder_learns_what_becomes_of_features():
    data = mixed(width=30)
    other = mixed(width=30).features.roll(1, 1)
    target = 3 * data.amounts @ other
    found = fit_dictionary(data.values, N_FEATURES, target=target, k=3, **{**QUICK, "epochs": 8})
    assert found.kind == "transcoder"
    assert mean_best_cosine(found.W_dec, other) >= 0.9
    far = found.error(data.values, target).square().sum()
    assert float(far / (target - target.mean(0)).square().sum()) < 0.15


def test_the_scale_of_the_data_does_not_matter():
    data = mixed(tokens=4000)
    one, two = (fit_dictionary(f * data.values, 20, k=3, **QUICK) for f in (1.0, 512.0))
    assert fvu(two, 512 * data.values) == pytest.approx(fvu(one, data.values), abs=1e-4)
    torch.testing.assert_close(one.W_dec, two.W_dec, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.W_dec.norm(dim=1), torch.ones(20))
    torch.testing.assert_close(512 * one.b_dec, two.b_dec, rtol=1e-4, atol=1e-4)


class Stopping(Callback):
    """Stops behind a step."""

    def __init__(self, after: int):
        self.after = after

    def on_step(self, progress):
        if progress.done == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["batchtopk", "jumprelu"])
def test_a_stopped_training_goes_on_bit_for_bit(how: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    data = mixed(tokens=3000)

    def run(**more) -> Dictionary:
        return fit_dictionary(data.values, 30, activation=how, k=3, **{**QUICK, **more})

    whole, keep = run(), tmp_path / "fit"
    for after in (7, 20):
        with pytest.raises(KeyboardInterrupt), pellucid.watching(Stopping(after)):
            run(keep=keep)
    assert len(list(tmp_path.iterdir())) == 1
    begun = []

    class Begun(Callback):
        def on_step(self, progress):
            begun.append(progress.done)

    with pellucid.watching(Begun()):
        again = run(keep=keep)
    assert begun[0] >= 19
    assert again.digest == whole.digest
    assert not list(tmp_path.iterdir())
    assert run(seed=1).digest != whole.digest


def test_activations_are_read_from_memory_and_from_a_folder(tmp_path: Path):
    model = tiny("rms")
    texts = [[(7 * i + n) % 31 for i in range(12)] for n in range(60)]
    sites = ["L1 mlp_in", "L1 mlp_out"]
    held = pellucid.activations(model, texts, sites)
    stored = pellucid.activations(model, texts, sites, folder=tmp_path / "acts")
    found = [
        fit_dictionary(
            acts, 24, target=acts, site=sites[0], target_site=sites[1], k=4, batch=64, epochs=3
        )
        for acts in (held, stored)
    ]
    assert found[0].digest == found[1].digest
    assert (found[0].kind, found[0].site_in, found[0].site_out) == ("transcoder", *held.sites)
    assert (found[0].weight_hash, found[0].model) == (model.weight_hash, model.name)
    with pytest.raises(DictionaryError, match=r"Say which with site=\."):
        fit_dictionary(held, 24, k=4)
    other = pellucid.activations(model, texts[1:] + texts[:1], sites[1])
    with pytest.raises(DictionaryError, match="in one call of activations"):
        fit_dictionary(held, 24, target=other, site=sites[0], k=4)
    with pytest.raises(DictionaryError, match="skip_positions=12 leaves out all"):
        fit_dictionary(held, 24, site=sites[0], k=4, skip_positions=12)


@pytest.mark.parametrize("how", ["batchtopk", "topk"])
def test_silent_latents_begin_anew(how: str, monkeypatch):
    begin = fit.first_weights

    def half_silent(rows, n_latents, seed):
        weights = begin(rows, n_latents, seed)
        with torch.no_grad():
            weights.b_enc[: n_latents // 2] = -10
        return weights

    monkeypatch.setattr(fit, "first_weights", half_silent)
    data, silent, left = mixed(), {}, {}
    for tokens in (2_000, 10**9):
        monkeypatch.setattr(fit, "SILENT", tokens)
        found = fit_dictionary(data.values, N_FEATURES, activation=how, k=3, **QUICK)
        silent[tokens] = int((found.encode(data.values) == 0).all(0).sum())
        left[tokens] = fvu(found, data.values)
    assert silent[10**9] >= N_FEATURES // 2
    assert silent[2_000] < N_FEATURES // 5
    assert left[2_000] < left[10**9] - 0.03


def test_what_is_not_finite_or_does_not_go_together_is_refused(tmp_path: Path):
    values = mixed(tokens=500).values
    with pytest.raises(NonFiniteError, match="hold NaN or infinity"):
        fit_dictionary(values / 0, 20, k=3)
    late = values.clone()
    late[100, 0] = float("nan")
    with pytest.raises(NonFiniteError):
        fit_dictionary(late, 20, k=3, batch=50)
    for wrong, said in [
        ({"activation": "relu"}, "l1= above 0"),
        ({"l1": 0.1}, "l1= above 0"),
        ({"k": 21}, "k is from 1"),
        ({"prefixes": (3,)}, "matryoshka"),
        ({"activation": "matryoshka", "prefixes": (20,)}, "from 1 to n_latents - 1"),
        ({"activation": "sparse"}, "choose one of"),
        ({"epochs": 0}, "at least 1"),
        ({"learning_rate": -1.0}, "neither is negative"),
    ]:
        with pytest.raises(DictionaryError, match=said):
            fit_dictionary(values, 20, **{"k": 3, **wrong})
    with pytest.raises(ResultFileError):
        fit_dictionary(values, 20, k=3, keep=tmp_path / "no" / ("x" * 300))


def test_active_latents_are_those_of_a_dense_computation():
    pre = torch.randn(9, 14, generator=torch.Generator().manual_seed(0), requires_grad=True)
    directions = torch.randn(14, 5, generator=torch.Generator().manual_seed(1))
    for of_batch in (False, True):
        kept = pre.relu().flatten() if of_batch else pre.relu()
        index = kept.topk(4 * 9 if of_batch else 4, dim=-1).indices
        dense = torch.zeros_like(kept).scatter(-1, index, kept.gather(-1, index)).reshape(9, 14)
        found = sparse_of(pre, 4, of_batch=of_batch).decoded(directions)
        torch.testing.assert_close(found, dense @ directions)
        one, two = (
            torch.autograd.grad(x.square().sum(), pre)[0] for x in (found, dense @ directions)
        )
        torch.testing.assert_close(one, two)


def test_the_gradient_of_a_threshold_is_that_of_a_smoothed_step():
    """In the mean over pre-activations spread evenly, it is the derivative of what is measured."""
    pre = torch.linspace(-1, 2, 300_001, dtype=torch.float64)[:, None]
    threshold = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    for function in (jump, passes):
        (found,) = torch.autograd.grad(function(pre, threshold).mean(), threshold)
        with torch.no_grad():
            up, down = (function(pre, threshold + s * 1e-3).mean() for s in (1, -1))
        assert float(found) == pytest.approx(float((up - down) / 2e-3), rel=1e-2)
