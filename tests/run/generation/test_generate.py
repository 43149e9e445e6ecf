"""Text written with edits is what Hugging Face's own generate writes with plain hooks."""

import pytest
import torch

import pellucid
from pellucid import Edit, EditError, Site, TaskError
from pellucid.errors import AlignmentError, ContextLengthError, UnsupportedArchitectureError
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.models.every_call import IDS, QUESTION, logits_of, state_of, tiny_llama
from tests.models.families import tiny_model
from tests.models.interrupting import at_change, interrupted, interrupted_by_signal

PROMPT = list(QUESTION.clean)
NEW = 6


@pytest.fixture(scope="module")
def model():
    return pellucid.load(tiny_llama())


def plainly(module, prompt=PROMPT, **settings):
    made = module.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        **{"max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0, **settings},
    )
    return tuple(made[0, len(prompt) :].tolist())


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "opt", "phi", "olmo2"])
def test_the_likeliest_tokens_are_those_of_generate(family):
    opened = pellucid.load(tiny_model(family))
    opened.module.generation_config.eos_token_id = None
    found = pellucid.generate(opened, PROMPT, max_new_tokens=NEW, sites=["resid_pre", "L1 z"])
    assert found.ids == plainly(opened.module)
    whole = [*PROMPT, *found.ids[:-1]]
    wanted = pellucid.activations(opened, [whole], ["resid_pre", "L1 z"])
    for name, values in found.values.items():
        torch.testing.assert_close(values, wanted[name], rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        logits = opened.module(torch.tensor([whole])).logits[0, len(PROMPT) - 1 :].double()
    scores = logits.log_softmax(-1).gather(1, torch.tensor(found.ids)[:, None])[:, 0]
    torch.testing.assert_close(found.log_probability, scores, rtol=1e-4, atol=1e-4)
    assert (found.passes.forwards, found.passes.calls) == (NEW, NEW)


def test_drawn_tokens_are_those_of_generate_with_the_same_seed(model):
    torch.manual_seed(5)
    wanted = plainly(model.module, do_sample=True, temperature=1.5, top_p=0.9, top_k=0)
    state = torch.random.get_rng_state()
    found = pellucid.generate(model, PROMPT, max_new_tokens=NEW, temperature=1.5, top_p=0.9, seed=5)
    assert found.ids == wanted
    assert torch.equal(torch.random.get_rng_state(), state)
    other = pellucid.generate(model, PROMPT, max_new_tokens=NEW, temperature=1.5, seed=6)
    assert other.ids != wanted


def test_the_model_s_own_settings_for_generation_do_not_count(model):
    wanted = pellucid.generate(model, PROMPT, max_new_tokens=NEW).ids
    own = model.module.generation_config
    own.repetition_penalty, own.num_beams = 50.0, 3
    try:
        assert pellucid.generate(model, PROMPT, max_new_tokens=NEW).ids == wanted
        assert model.module.generation_config is own
    finally:
        own.repetition_penalty, own.num_beams = None, None


def test_an_edit_at_every_step_is_what_a_plain_hook_does(model):
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1)) * 3
    handle = model.module.model.layers[1].register_forward_pre_hook(
        lambda module, args: (args[0] + vector, *args[1:])
    )
    wanted = plainly(model.module)
    handle.remove()
    edit = Edit(site=Site("resid_pre", 1), operation="add", value=vector)
    found = pellucid.generate(model, PROMPT, max_new_tokens=NEW, edits=[edit])
    assert found.ids == wanted
    assert found.ids != pellucid.generate(model, PROMPT, max_new_tokens=NEW).ids
    assert found.edits == ("add at blocks.1.hook_resid_pre",)


@pytest.mark.parametrize("positions", [(0, -1), (7,), (2, 6, 8)])
@pytest.mark.parametrize("kind", ["resid_pre", "z", "pattern"])
def test_positions_are_those_of_the_whole_text(model, kind, positions):
    """Against whole prompts run anew at every step, without keys and values kept."""
    edit = Edit(site=Site(kind, 1), operation="scale", value=-2.0, positions=positions)
    from_start = [place % len(PROMPT) if place < 0 else place for place in positions]
    text = list(PROMPT)
    for _ in range(NEW):
        met = tuple(place for place in from_start if place < len(text))
        there = [Edit(site=edit.site, operation="scale", value=-2.0, positions=met)] if met else []
        text.append(int(pellucid.run_edited(model, text, there)[0, -1].argmax()))
    found = pellucid.generate(model, PROMPT, max_new_tokens=NEW, edits=[edit])
    assert [*PROMPT, *found.ids] == text


def test_values_are_those_behind_the_edits(model):
    edit = Edit(site=Site("resid_pre", 1), value=2.0, positions=(1, 7))
    found = pellucid.generate(model, PROMPT, max_new_tokens=4, edits=[edit], sites="L1 resid_pre")
    two = (found.values["blocks.1.hook_resid_pre"] == 2.0).all(-1)
    assert two.nonzero()[:, 0].tolist() == [1, 7]


def test_a_model_that_keeps_no_keys_and_values_writes_the_same(model, monkeypatch):
    wanted = pellucid.generate(model, PROMPT, max_new_tokens=NEW, sites="L1 resid_pre")
    from pellucid.model.running import generating

    usual = generating._settings

    def without_cache(drawing, ends):
        made = usual(drawing, ends)
        made.use_cache = False
        return made

    monkeypatch.setattr(generating, "_settings", without_cache)
    found = pellucid.generate(model, PROMPT, max_new_tokens=NEW, sites="L1 resid_pre")
    assert found.ids == wanted.ids
    torch.testing.assert_close(found.values, wanted.values)


def test_it_ends_at_an_end_token(model):
    third = pellucid.generate(model, PROMPT, max_new_tokens=NEW).ids[2]
    own = model.module.generation_config
    own.eos_token_id = [third, 1]
    try:
        found = pellucid.generate(model, PROMPT, max_new_tokens=NEW)
    finally:
        own.eos_token_id = None
    assert found.ids[-1] == third
    assert found.ended_by == "end token"
    later = found.contrast(model, QUESTION.corrupted, 11, 13)
    assert later.clean == (*PROMPT, *found.ids[:-1])


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_interrupt_at_a_change_leaves_nothing(model, side):
    state, logits = state_of(model.module), logits_of(model.module)
    dice = torch.random.get_rng_state()

    def call():
        pellucid.generate(model, PROMPT, max_new_tokens=2, temperature=1.0)

    n = 1
    while interrupted(at_change(n, side), call):
        assert state_of(model.module) == state, n
        assert torch.equal(torch.random.get_rng_state(), dice), n
        n += 9
    assert n > 30
    assert torch.equal(logits_of(model.module), logits)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_leaves_nothing(model):
    state, dice = state_of(model.module), torch.random.get_rng_state()
    edit = Edit(site=Site("resid_pre", 1), operation="scale", value=1.01)

    def call():
        pellucid.generate(model, PROMPT, max_new_tokens=50, temperature=1.0, edits=[edit])

    hits = [interrupted_by_signal(after, call) for after in (0.01, 0.03, 0.05, 0.07)]
    assert any(hits)
    assert state_of(model.module) == state
    assert torch.equal(torch.random.get_rng_state(), dice)


def test_the_decision_after_what_was_written(model):
    found = pellucid.generate(model, PROMPT, max_new_tokens=4)
    question = found.contrast(model, QUESTION.corrupted, 11, 13, then=[7, 8])
    assert question.clean == (*PROMPT, *found.ids, 7, 8)
    assert question.corrupted == (*QUESTION.corrupted, *found.ids, 7, 8)
    assert list(found.written) == [6, 7, 8, 9]
    effects = pellucid.patch(model, question, sites="resid", positions="each")
    # Written tokens are the same in both, so only attention can carry what differs to them.
    assert effects.effect[list(found.written), 0].abs().max() <= effects.noise
    assert effects.effect[list(found.written), 1].abs().max() > 0
    with torch.no_grad():
        logits = model.module(torch.tensor([question.clean])).logits[0, -1]
    torch.testing.assert_close(effects.metric_clean[0], logits[11] - logits[13])


def test_a_generation_is_saved_and_read(model, tmp_path):
    found = pellucid.generate(model, PROMPT, max_new_tokens=3, sites="L0 z")
    again = pellucid.Generation.load(found.save(tmp_path / "g"))
    assert again.ids == found.ids
    assert torch.equal(again.values["blocks.0.attn.hook_z"], found.values["blocks.0.attn.hook_z"])
    assert list(again.to_frame()["id"]) == list(found.ids)
    assert found.story()[0].sentences
    assert max(map(len, str(found).splitlines())) <= 80


@pytest.mark.parametrize(
    ("keywords", "error", "says"),
    [
        ({"max_new_tokens": 0}, TaskError, "max_new_tokens=0: give at least 1"),
        ({"temperature": -1.0}, TaskError, "temperature=-1.0"),
        ({"top_p": 0.0}, TaskError, "top_p=0.0"),
        ({"sites": "pattern"}, EditError, "no value per position"),
        ({"sites": "nowhere"}, EditError, "No site is called"),
        ({"edits": [Edit(site=Site("z", 0), positions=(11,))]}, EditError, "0 to 10"),
        ({"edits": [Edit(site=Site("z", 0), positions=(-7,))]}, EditError, "0 to 10"),
    ],
)
def test_what_cannot_be_is_refused(model, keywords, error, says):
    with pytest.raises(error, match=says):
        pellucid.generate(model, PROMPT, **{"max_new_tokens": NEW, **keywords})


def test_more_than_the_model_can_read_is_refused(random_gpt2):
    opened = pellucid.load(random_gpt2)
    assert len(pellucid.generate(opened, PROMPT, max_new_tokens=27).ids) == 27
    with pytest.raises(ContextLengthError, match="Give max_new_tokens=27 or less"):
        pellucid.generate(opened, PROMPT, max_new_tokens=28)


def test_a_corrupted_prompt_of_another_length_is_refused(model):
    found = pellucid.generate(model, PROMPT, max_new_tokens=2)
    with pytest.raises(AlignmentError, match="6 tokens and the corrupted prompt 5"):
        found.contrast(model, PROMPT[:5], 11, 13)


def test_a_model_without_generate_is_refused():
    tiny = pellucid.Model.build(TinyTransformer(TinyConfig()).eval())
    with pytest.raises(UnsupportedArchitectureError, match="has no generate"):
        pellucid.generate(tiny, IDS[0].tolist())


def test_the_command_writes_and_plans(run):
    from tests.models.ioi_prompts import PROMPT as WORDS

    code, out, err = run("generate", WORDS, "--max-new-tokens", "3", question=False)
    assert code == 0, err
    assert "3 tokens, the likeliest each time" in out
    words = ["generate", WORDS, "--max-new-tokens", "3", "--off", "L0H1+M2"]
    code, out, err = run(*words, question=False)
    assert "Edited: replace at blocks.2.hook_mlp_out." in out
    code, out, err = run(*words, "--plan", question=False)
    assert code == 0, err
    assert "3 forwards: tokens written" in out
    assert max(map(len, out.splitlines())) <= 80
    assert run(*words[:-1], "x?", question=False)[0] == 2
