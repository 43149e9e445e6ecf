"""What a dictionary is said to explain, against what is computed by hand and known exactly."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

import pellucid
from pellucid import Dictionary, DictionaryError, evaluate_dictionary, fit_dictionary
from pellucid.stats.variance import Unexplained, principal_components
from tests.models.small import tiny

TEXTS = [[(5 * i * i + 3 * i * n + n) % 31 for i in range(6 + n % 7)] for n in range(40)]
SITE = "blocks.1.hook_resid_pre"


def perfect(hook: str = SITE, *out: str) -> Dictionary:
    """A direction and its opposite for each coordinate: x is exactly relu(x) - relu(-x)."""
    eye = torch.eye(16).double()
    both = torch.cat([eye, -eye])
    return Dictionary(
        W_enc=both.T.contiguous(), b_enc=torch.zeros(32).double(), W_dec=both,
        b_dec=torch.zeros(16).double(), activation="relu", hook_in=hook, hooks_out=out or (hook,),
    )  # fmt: skip


@pytest.mark.parametrize("hook", [SITE, "blocks.0.hook_mlp_out", "blocks.1.attn.hook_z"])
def test_a_perfect_dictionary_recovers_all_and_the_mean_none(hook: str):
    found = evaluate_dictionary(tiny("rms"), perfect(hook), TEXTS)
    assert found.fvu == 0.0
    assert found.score("mean").fvu == 1.0
    assert found.score("dictionary").ce == pytest.approx(found.score("clean").ce, abs=1e-12)
    assert found.score("dictionary").kl == pytest.approx(0, abs=1e-12)
    assert found.recovered() == pytest.approx(1, abs=1e-9)
    assert found.recovered(against="zero", of="kl") == pytest.approx(1, abs=1e-9)
    assert found.recovered("mean") == 0.0
    assert found.l0 == pytest.approx(16)
    assert found.score("pca").fvu < 1e-9 < found.score("random").fvu
    assert not found.caveats
    assert found.passes.forwards == 7 * len(TEXTS) + 5  # short ones, to see how it reads


def test_losses_are_those_of_plain_forwards():
    model = tiny("rms")
    found = evaluate_dictionary(model, perfect(), TEXTS)
    ce, zero, kl, tokens = 0.0, 0.0, 0.0, 0
    for text in TEXTS:
        with torch.no_grad():
            plain = model.module(torch.tensor([text])).logits[0]
        positions = tuple(range(1, len(text)))
        edit = pellucid.Edit(site=pellucid.Site("resid_pre", 1), value=0.0, positions=positions)
        put = pellucid.run_edited(model, text, [edit])[0]
        targets = torch.tensor(text[2:])
        ce += float(cross_entropy(plain[1:-1], targets, reduction="sum"))
        zero += float(cross_entropy(put[1:-1], targets, reduction="sum"))
        p, q = plain[1:-1].log_softmax(-1), put[1:-1].log_softmax(-1)
        kl += float((p.exp() * (p - q)).sum())
        tokens += len(targets)
    assert found.score("clean").ce == pytest.approx(ce / tokens, abs=1e-10)
    assert found.score("zero").ce == pytest.approx(zero / tokens, abs=1e-10)
    assert found.score("zero").kl == pytest.approx(kl / tokens, abs=1e-10)


def test_a_trained_dictionary_stands_between_and_its_latents_are_counted():
    model = tiny("rms")
    acts = pellucid.activations(model, TEXTS, SITE)
    trained = fit_dictionary(acts, 40, k=4, batch=32, epochs=40, learning_rate=5e-3)
    found = evaluate_dictionary(model, trained, TEXTS)
    assert found.score("dictionary").fvu < found.score("random").fvu
    assert 0 < found.fvu < 0.6
    x = acts[SITE][acts.positions >= 1]
    latents = trained.encode(x.float())
    torch.testing.assert_close(found.density, (latents > 0).double().mean(0))
    assert found.dead == float((latents == 0).all(0).double().mean())
    assert found.fvu == pytest.approx(
        float((x - trained.reconstruct(x.float())).square().sum() / (x - x.mean(0)).square().sum()),
        rel=1e-4,
    )
    assert "of mean" in str(found)
    assert found.to_frame()["put_in"].tolist() == [
        "clean", "dictionary", "zero", "mean", "pca", "random",
    ]  # fmt: skip


def test_what_is_made_for_another_place_is_said():
    eye = 5 * normalize(torch.randn(60, 16, generator=torch.Generator().manual_seed(0))).double()
    other = Dictionary(
        W_enc=eye.T.contiguous(), b_enc=torch.full((60,), -1.0).double(), W_dec=eye,
        b_dec=torch.ones(16).double(), activation="relu", hook_in=SITE, hooks_out=(SITE,),
        model="gpt2",
    )  # fmt: skip
    found = evaluate_dictionary(tiny("rms"), other, TEXTS)
    assert found.fvu > 0.9
    assert "not made for this place" in found.caveats[0]
    assert "made for gpt2, and is judged in TinyTransformer" in found.caveats[1]
    wide = Dictionary(
        W_enc=torch.eye(5), b_enc=torch.zeros(5), W_dec=torch.eye(5), b_dec=torch.zeros(5),
        activation="relu", hook_in=SITE, hooks_out=(SITE,),
    )  # fmt: skip
    with pytest.raises(DictionaryError, match="5 wide"):
        evaluate_dictionary(tiny("rms"), wide, TEXTS)


def test_twins_are_found():
    one = perfect()
    doubled = Dictionary(
        W_enc=torch.cat([one.W_enc, one.W_enc[:, :3]], 1), b_enc=torch.zeros(35).double(),
        W_dec=torch.cat([one.W_dec, one.W_dec[:3]]), b_dec=one.b_dec, activation="relu",
        hook_in=SITE, hooks_out=(SITE,),
    )  # fmt: skip
    found = evaluate_dictionary(tiny("rms"), doubled, TEXTS[:4])
    assert found.duplicates == pytest.approx(6 / 35)


def test_shares_of_variance_are_exact_where_they_are_known():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 1e3
    mean = x.double().mean(0)
    for given, share in ((x, 0.0), (mean.expand(50, -1), 1.0)):
        found = Unexplained(mean)
        for part, own in zip(x.split(7), given.split(7), strict=True):
            found.add(part, own)
        assert found.share == share
    components = principal_components(x, mean, 2)
    _, _, v = torch.linalg.svd(x.double() - mean)
    torch.testing.assert_close((components.double() @ v[:2].T).abs(), torch.eye(2).double(),
                               rtol=1e-4, atol=1e-4)  # fmt: skip
