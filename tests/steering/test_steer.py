"""Effects of steering in closed form, and side effects as torch and hand count them."""

import pytest
import torch

import pellucid
from pellucid import Steering, TaskError, TokenError
from tests.models.ioi_prompts import PROMPT
from tests.models.small import tiny

TOWARD, AWAY = 6, 8
NEUTRAL = [[1, 2, 3, 4], [9, 8, 7]]
PROMPTS = [[3, 7, 11], [2, 9, 4, 5]]


@pytest.fixture(scope="module")
def model():
    return tiny("attention-only")


@pytest.fixture(scope="module")
def vector(model):
    drawn = torch.randn(model.anatomy.d_model, generator=torch.Generator().manual_seed(0))
    return pellucid.steering_vector(model, drawn, layers=[1, model.anatomy.n_layers])


@pytest.fixture(scope="module")
def found(model, vector):
    return pellucid.steer(
        model, vector, PROMPTS, TOWARD, AWAY, instruction=[12, 13], scales=(-1.0, 0.5, 2.0),
        layers=model.anatomy.n_layers, neutral=NEUTRAL, task=None,
    )  # fmt: skip


def plain(model, ids):
    with torch.no_grad():
        return model.module(torch.tensor([ids])).logits[0]


def test_at_the_end_of_a_linear_model_the_effect_is_a_product(model, vector, found):
    unembed = model.module.lm_head.weight.detach()
    product = float((unembed[TOWARD] - unembed[AWAY]) @ vector.directions[0].double())
    for scale, effect in zip(found.scales, found.effect[:, 0], strict=True):
        assert float(effect) == pytest.approx(scale * product, rel=1e-6)
    wanted = [plain(model, ids)[-1, TOWARD] - plain(model, ids)[-1, AWAY] for ids in PROMPTS]
    torch.testing.assert_close(found.plain, torch.stack(wanted))
    behind = [plain(model, [12, 13, *ids])[-1] for ids in PROMPTS]
    torch.testing.assert_close(
        found.asked, torch.stack([logits[TOWARD] - logits[AWAY] for logits in behind])
    )


def test_side_effects_are_those_of_torch(model, vector, found):
    added = model.module.lm_head.weight.detach() @ vector.directions[0].double()
    losses, losses_asked, kls, kls_asked = [], [], [], []
    for ids in NEUTRAL:
        ours = plain(model, ids)[:-1]
        theirs = ours + 2.0 * added
        behind = plain(model, [12, 13, *ids])[2:-1]
        own = torch.tensor(ids[1:])
        losses.append(torch.nn.functional.cross_entropy(theirs, own, reduction="none"))
        losses_asked.append(torch.nn.functional.cross_entropy(behind, own, reduction="none"))
        for other, kept in ((theirs, kls), (behind, kls_asked)):
            kept.append(
                torch.nn.functional.kl_div(
                    other.log_softmax(-1), ours.log_softmax(-1), log_target=True, reduction="none"
                ).sum(-1)
            )
    for value, wanted in (
        (found.perplexity[2, 0], torch.cat(losses).mean().exp()),
        (found.asked_perplexity, torch.cat(losses_asked).mean().exp()),
        (found.kl[2, 0], torch.cat(kls).mean()),
        (found.asked_kl, torch.cat(kls_asked).mean()),
    ):
        assert float(value) == pytest.approx(float(wanted), rel=1e-4)


def test_random_directions_are_of_the_same_length_and_of_the_seed(model, vector, found):
    from pellucid.steering.controls import random_like

    vectors = vector.chosen(model, [1, model.anatomy.n_layers], 3.0)
    for site, drawn in random_like(vectors, 1).items():
        torch.testing.assert_close(drawn.norm(), vectors[site].norm())
    again = pellucid.steer(
        model, vector, PROMPTS, TOWARD, AWAY, instruction=[12, 13], scales=(2.0,),
        layers=model.anatomy.n_layers, neutral=NEUTRAL, task=None,
    )  # fmt: skip
    assert torch.equal(again.preference[0], found.preference[2])


def test_a_random_vector_is_not_said_to_beat_random_ones(model):
    beats = []
    for seed in range(12):
        drawn = torch.randn(model.anatomy.d_model, generator=torch.Generator().manual_seed(seed))
        vector = pellucid.steering_vector(model, drawn, layers=1)
        beats += pellucid.steer(
            model, vector, PROMPTS, TOWARD, AWAY, instruction=[1], scales=(1.0,),
            neutral=NEUTRAL, task=None, seed=100 + 10 * seed,
        ).beats_random  # fmt: skip
    assert sum(beats) <= 7  # one in four by chance; 8 of 12 have a probability below 0.3 %


def test_the_table_the_text_and_the_figure_hold_every_control(found, tmp_path):
    frame = found.to_frame()
    assert list(frame["how"]) == ["nothing", "instruction", *["vector", "random"] * 3]
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "random directions." in text
    assert "the instruction (" in text
    assert found.plot().axes
    assert found.story()[0].sentences
    again = Steering.load(found.save(tmp_path / "s"))
    assert torch.equal(again.preference, found.preference)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"prompts": []}, TaskError, "at least one prompt"),
        ({"scales": ()}, TaskError, "at least one scale"),
        ({"neutral": []}, TaskError, "neutral="),
        ({"neutral": [[1]]}, TokenError, "A neutral text has 1 token"),
        ({"task": "capitals"}, TaskError, "needs a tokenizer"),
        ({"toward": 10**6}, TokenError, "vocabulary"),
    ],
)
def test_what_cannot_be_is_refused(model, vector, change, error, says):
    asked = {"prompts": PROMPTS, "toward": TOWARD, "away": AWAY, "instruction": [1],
             "neutral": NEUTRAL, "task": None}  # fmt: skip
    with pytest.raises(error, match=says):
        pellucid.steer(model, vector, **{**asked, **change})


def test_the_command_measures_writes_and_plans(run, tmp_path):
    (tmp_path / "pairs.csv").write_text("positive,negative\nMary,John\nJohn and Mary,and John\n")
    words = ["steer", PROMPT, "--toward", " Mary", "--away", " John", "--instruction", "Mary. ",
             "--pairs", str(tmp_path / "pairs.csv"),
             "--scale", "1", "--random-directions", "1"]  # fmt: skip
    code, out, err = run(*words, "--gguf", str(tmp_path / "v.gguf"), question=False)
    assert code == 0, err
    assert "instruction" in out
    assert max(map(len, out.splitlines())) <= 80
    again = [*words[:-6], "--vector", str(tmp_path / "v.gguf"), *words[-4:]]
    assert run(*again, question=False)[0] == 0
    code, out, err = run(*words, "--plan", question=False)
    assert code == 0, err
    assert "6 forwards: the vector and random directions" in out
    assert run(*words[:-6], question=False)[0] == 2
