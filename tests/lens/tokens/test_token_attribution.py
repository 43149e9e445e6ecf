"""Tokens: parity with captum, with plain runs of the model, and with Hugging Face's patterns."""

import pytest
import torch

import pellucid
from pellucid import Contrast, EditError, TaskError, TokenAttribution
from pellucid.errors import MismatchError, TokenError
from tests.models.small import BATCH, PAIR, VARIETIES, family, tiny


def difference_of(model):
    """Answer minus foil at the last position, from embeddings, as captum wants it."""

    def forward(embeddings):
        logits = model.module(inputs_embeds=embeddings).logits[:, -1]
        return logits[:, PAIR.answer] - logits[:, PAIR.foil]

    return forward


def embeddings(model, prompt):
    return model.module.get_input_embeddings()(torch.tensor([prompt])).detach()


@pytest.mark.parametrize("name", ["llama", "gemma2", "olmo2"])
def test_gradient_times_input_is_captum_s(name):
    from captum.attr import InputXGradient

    model = family(name)
    x = embeddings(model, PAIR.clean)
    # Gemma multiplies its embeddings before they enter the stream; the product is the same.
    wanted = InputXGradient(difference_of(model)).attribute(x.requires_grad_()).sum(-1)
    found = pellucid.token_attribution(model, PAIR, method="gradient")
    torch.testing.assert_close(found.per_example, wanted.detach(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt2"])
def test_integrated_gradients_are_captum_s(name):
    from captum.attr import IntegratedGradients

    model = family(name)
    wanted = IntegratedGradients(difference_of(model)).attribute(
        embeddings(model, PAIR.clean),
        baselines=embeddings(model, PAIR.corrupted),
        n_steps=16,
        method="riemann_middle",
    )
    found = pellucid.token_attribution(model, PAIR, method="ig", steps=16)
    torch.testing.assert_close(
        found.per_example, wanted.sum(-1).to(found.per_example), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("variety", sorted(VARIETIES))
def test_integrated_gradients_are_complete_as_steps_grow(variety):
    errors = [
        pellucid.token_attribution(tiny(variety), PAIR, method="ig", steps=steps).completeness
        for steps in (4, 64)
    ]
    assert errors[1] < 1e-3
    assert errors[1] < errors[0]
    chosen = pellucid.token_attribution(tiny(variety), PAIR, method="ig")
    assert chosen.converged
    assert chosen.steps in (4, 8, 16, 32, 64, 128)
    assert chosen.passes.backwards == chosen.passes.forwards - 1


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt"])
def test_occlusion_is_what_plain_runs_with_another_token_measure(name):
    model = family(name)

    def measured(ids):
        with torch.no_grad():
            logits = model.module(input_ids=torch.tensor([ids])).logits[0, -1]
        return float(logits[PAIR.answer] - logits[PAIR.foil])

    found = pellucid.token_attribution(model, PAIR, method="occlusion", replacement=20)
    assert found.replacements == ("20",)
    for position in range(6):
        ids = list(PAIR.clean)
        ids[position] = 20
        effect = measured(PAIR.clean) - measured(ids)
        assert float(found.per_example[0, position]) == pytest.approx(effect, abs=1e-6)


def test_drawn_replacements_are_named_seeded_and_averaged():
    model = tiny("rms")
    found = pellucid.token_attribution(model, PAIR)
    assert (found.method, found.quantity) == ("occlusion", "effect")
    assert len(set(found.replacements)) == 8
    single = [
        pellucid.token_attribution(model, PAIR, replacement=int(token)).per_example
        for token in found.replacements
    ]
    torch.testing.assert_close(found.per_example, torch.stack(single).mean(0))
    again = pellucid.token_attribution(model, PAIR)
    assert torch.equal(found.per_example, again.per_example)
    assert pellucid.token_attribution(model, PAIR, seed=1).replacements != found.replacements
    assert found.passes.forwards == 2 + 8 * (1 + 6)


def test_rollout_is_the_product_of_hugging_face_s_own_patterns():
    model = family("llama")
    module = model.module
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            patterns = module(
                input_ids=torch.tensor([PAIR.clean]), output_attentions=True
            ).attentions
    finally:
        module.set_attn_implementation(before)
    rolled = torch.eye(6)
    for pattern in patterns:
        rolled = (pattern[0].mean(0) + torch.eye(6)) / 2 @ rolled
    found = pellucid.token_attribution(model, PAIR, method="rollout")
    assert found.quantity == "weight"
    torch.testing.assert_close(found.per_example[0], rolled[-1].double(), rtol=1e-5, atol=1e-6)
    assert float(found.per_example.sum()) == pytest.approx(1, abs=1e-6)
    with pytest.raises(EditError, match="registry"):
        pellucid.token_attribution(family("bloom"), PAIR, method="rollout")


@pytest.mark.parametrize("method", ["gradient", "ig", "occlusion", "rollout"])
def test_examples_of_a_batch_are_those_alone(method):
    extra = {"steps": 8} if method == "ig" else {}
    model = family("llama") if method == "rollout" else tiny("grouped")
    together = pellucid.token_attribution(model, BATCH, method=method, **extra)
    for i, contrast in enumerate(BATCH):
        alone = pellucid.token_attribution(model, contrast, method=method, **extra)
        length = len(contrast.clean)
        torch.testing.assert_close(together.per_example[i, :length], alone.per_example[0])
        if method != "occlusion":
            assert not together.per_example[i, length:].any()
    assert len(together.to_frame()) == 6 + 8


@pytest.mark.parametrize("method", ["gradient", "ig", "occlusion", "rollout"])
def test_answers_of_several_tokens_are_scored_as_sequences(method):
    longer = Contrast(PAIR.clean, PAIR.corrupted, (6, 9), (8,))
    model = family("llama") if method == "rollout" else tiny("rms")
    found = pellucid.token_attribution(model, longer, method=method)
    assert found.per_example.shape == (1, 7)  # the prompt and all but the last answer token
    if method == "ig":
        assert found.converged


@pytest.mark.parametrize("method", ["gradient", "ig", "occlusion"])
def test_a_recording_gives_the_same_without_recording_again(method):
    model = family("gpt2")
    trace = pellucid.record(model, PAIR)
    alone = pellucid.token_attribution(model, PAIR, method=method)
    found = pellucid.token_attribution(model, PAIR, method=method, trace=trace)
    torch.testing.assert_close(found.per_example, alone.per_example, rtol=1e-5, atol=1e-6)
    saved = 1 if method == "gradient" else 2
    assert found.passes.forwards == alone.passes.forwards - saved
    with pytest.raises(MismatchError):
        pellucid.token_attribution(model, PAIR, method=method, metric="prob_diff", trace=trace)


def test_arguments_that_a_method_does_not_take_are_refused():
    model = tiny("rms")
    with pytest.raises(TaskError, match="choose one of"):
        pellucid.token_attribution(model, PAIR, method="magic")
    with pytest.raises(TaskError, match="ig alone takes steps"):
        pellucid.token_attribution(model, PAIR, steps=4)
    with pytest.raises(TaskError, match="leave replacement out"):
        pellucid.token_attribution(model, PAIR, method="ig", replacement=3)
    with pytest.raises(TaskError, match="no gradient on the clean run"):
        pellucid.token_attribution(model, PAIR, method="gradient", metric="kl")
    with pytest.raises(TokenError, match="outside the vocabulary"):
        pellucid.token_attribution(model, PAIR, replacement=99)


@pytest.mark.parametrize("method", ["ig", "occlusion"])
def test_token_scores_survive_being_written_down(method, tmp_path):
    found = pellucid.token_attribution(tiny("rms"), BATCH, method=method)
    again = TokenAttribution.load(found.save(tmp_path / "tokens"))
    assert again.to_frame().equals(found.to_frame())
    assert list(found.to_frame().columns) == ["example", "position", "token", found.quantity]
    assert max(len(line) for line in str(found).splitlines()) <= 80


@pytest.mark.smol
def test_the_names_matter_most_in_a_real_decision(smol):
    contrast = Contrast(
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Anna gave a drink to",
        " Mary",
        " John",
    )
    frame = pellucid.token_attribution(smol, contrast).to_frame()
    before_the_end = frame[frame["position"] < frame["position"].max()]
    best = before_the_end.nlargest(2, "effect")
    assert best["token"].tolist() == [" Mary", " John"]
    assert best["position"].tolist() == [1, 9]
