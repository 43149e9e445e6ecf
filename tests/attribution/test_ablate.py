"""Ablation on one prompt, noise and random sources: equal to plain hooks on the module."""

import pytest
import torch

import pellucid
from pellucid import EditError, MismatchError, TokenError
from pellucid.run.other_runs import NOISE, behind_the_first, noised_values, random_values
from pellucid.run.question import encode_plain
from pellucid.run.sites import EMBED, node_sites
from tests.models.questions import VARIETIES, tiny_model

PROMPT, ANSWER = [3, 7, 11, 2, 9, 4], 6


def logits_with(model, change, prompt=PROMPT):
    """Logits behind the prompt, with ``change(layer, z)`` put in for the heads' outputs."""
    handles = []
    for layer, block in enumerate(model.module.layers):

        def hook(module, args, layer=layer):
            z = args[0].unflatten(-1, (4, -1)).clone()
            return (change(layer, z).flatten(-2),)

        handles.append(block.attention.o_proj.register_forward_pre_hook(hook))
    with torch.no_grad():
        logits = model.module(torch.tensor([prompt])).logits[0, -1]
    for handle in handles:
        handle.remove()
    return logits


def same(layer, z):
    return z


@pytest.mark.parametrize("metric", ["log_prob", "logit"])
@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_every_head_alone_is_what_plain_hooks_measure(one_tiny, metric, ablation):
    found = pellucid.ablate(one_tiny, PROMPT, ANSWER, metric=metric, ablation=ablation)
    read = (lambda x: x) if metric == "logit" else (lambda x: x.log_softmax(-1))
    whole = read(logits_with(one_tiny, same))[ANSWER]
    assert float(found.metric_clean) == pytest.approx(float(whole), abs=1e-12)
    for index, place in enumerate(found.places):

        def without(layer, z, place=place):
            if layer == place.layer:
                mean = z[:, :, place.head].mean(1, keepdim=True)
                z[:, :, place.head] = mean if ablation == "mean" else 0
            return z

        lost = whole - read(logits_with(one_tiny, without))[ANSWER]
        assert float(found.effect[0, index]) == pytest.approx(float(lost), abs=1e-10)
    assert found.passes.forwards == 1 + 12
    assert bool(found.normalised.isnan().all())


def test_an_answer_of_several_tokens_is_scored_as_a_sequence(one_tiny):
    found = pellucid.ablate(one_tiny, PROMPT, [6, 8, 1])
    log_p = [
        logits_with(one_tiny, same, PROMPT + before).log_softmax(-1)[token]
        for before, token in (([], 6), ([6], 8), ([6, 8], 1))
    ]
    assert float(found.metric_clean) == pytest.approx(float(sum(log_p)), abs=1e-10)


def test_noise_is_that_of_the_embeddings_and_reaches_what_comes_behind_it(one_tiny):
    encoded = encode_plain(one_tiny, PROMPT, ANSWER)
    at = torch.zeros_like(encoded.real)
    at[:, 2] = True
    sites = node_sites(one_tiny)
    clean = noised_values(one_tiny, encoded, sites, at=torch.zeros_like(at), seed=0)
    noisy = noised_values(one_tiny, encoded, sites, at=at, seed=0)
    for site in sites:
        moved = (noisy[site] - clean[site]).abs().flatten(2).amax(-1)[0]
        assert float(moved[:2].max()) == 0
        assert float(moved[2]) > 0
    draws = torch.cat(
        [noised_values(one_tiny, encoded, [EMBED], at=at, seed=s)[EMBED][0, 2] - clean[EMBED][0, 2]
         for s in range(400)]
    )  # fmt: skip
    assert float(draws.std() / clean[EMBED].std()) == pytest.approx(NOISE, rel=0.05)


def test_with_noise_a_head_gives_what_it_writes_in_the_noisy_run(one_tiny, pair):
    found = pellucid.patch(one_tiny, pair, ablation="noise", seed=4)
    encoded = encode_plain(one_tiny, list(pair.clean), pair.answer)
    at = torch.tensor([[a != b for a, b in zip(pair.clean, pair.corrupted, strict=True)]])
    values = noised_values(one_tiny, encoded, node_sites(one_tiny), at=at, seed=4)
    whole = logits_with(one_tiny, same, list(pair.clean))
    for index, place in enumerate(found.places[:6]):

        def noisy(layer, z, place=place):
            if layer == place.layer:
                z[:, :, place.head] = values[pellucid.Site("z", layer)][:, :, place.head]
            return z

        logits = logits_with(one_tiny, noisy, list(pair.clean))
        lost = (whole - logits)[pair.answer] - (whole - logits)[pair.foil]
        assert float(found.effect[0, index]) == pytest.approx(float(lost), abs=1e-10)
    assert found.passes.forwards == 2 + 1 + 12


def test_a_random_source_changes_the_deciding_tokens_alone(one_tiny, pair):
    found = pellucid.patch(one_tiny, pair, random_source=True, positions="each")
    beside = found.random_source
    assert beside.shape == found.per_example.shape
    assert float(beside[:, :2].abs().max()) < 1e-12  # before the first of them
    assert float(beside.abs().max()) > 0
    assert "random_source" in found.to_frame()
    again = pellucid.PatchEffects.from_json(found.to_json())
    torch.testing.assert_close(again.random_source, beside)
    encoded = encode_plain(one_tiny, PROMPT, ANSWER)
    nowhere = torch.zeros_like(encoded.real)
    same_run = random_values(one_tiny, encoded, [EMBED], at=nowhere, seed=0)[EMBED]
    everywhere = random_values(one_tiny, encoded, [EMBED], at=~nowhere, seed=0)[EMBED]
    assert float((same_run - everywhere).abs().max()) > 0


def test_all_tokens_but_the_first_are_noisy_unless_others_are_named(one_tiny):
    encoded = encode_plain(one_tiny, PROMPT, ANSWER)
    assert behind_the_first(encoded).tolist() == [[False, True, True, True, True, True]]


def test_it_is_the_same_by_seed_and_leaves_the_model_as_it_was():
    model = tiny_model(VARIETIES["grouped"])
    drawn = {"ablation": "noise", "noise_at": [1, 2], "random_source": True}
    one, again = (pellucid.ablate(model, PROMPT, ANSWER, sites="nodes", **drawn) for _ in "ab")
    torch.testing.assert_close(one.per_example, again.per_example, rtol=0, atol=0)
    other = pellucid.ablate(model, PROMPT, ANSWER, sites="nodes", seed=1, **drawn)
    assert not torch.equal(one.per_example, other.per_example)
    assert not any(module._forward_hooks for module in model.module.modules())


def test_what_cannot_be_asked_is_refused(one_tiny, pair):
    with pytest.raises(EditError, match="noise_at"):
        pellucid.ablate(one_tiny, PROMPT, ANSWER, noise_at=[1])
    with pytest.raises(EditError, match="6 positions"):
        pellucid.ablate(one_tiny, PROMPT, ANSWER, ablation="noise", noise_at=[6])
    with pytest.raises(EditError, match="corrupted"):
        pellucid.ablate(one_tiny, PROMPT, ANSWER, ablation="corrupted")
    with pytest.raises(EditError, match="logit_diff"):
        pellucid.ablate(one_tiny, PROMPT, ANSWER, metric="logit_diff")
    with pytest.raises(TokenError):
        pellucid.ablate(one_tiny, [3, 10_000], ANSWER)
    with pytest.raises(EditError, match="denoising"):
        pellucid.patch(one_tiny, pair, direction="denoising", random_source=True)
    of_another = pellucid.ablate(one_tiny, PROMPT, ANSWER)
    with pytest.raises((MismatchError, TypeError)):
        pellucid.discover(one_tiny, pair, attribution=of_another)
