"""A vector is added where it should be, in every call, and nothing is left."""

import pytest
import torch
from gguf import GGUFReader

import pellucid
from pellucid import EditError, SteeringVector, TaskError
from pellucid.errors import HookError, ResultFileError
from tests.models.every_call import CALLS, IDS, PAIRS, QUESTION, logits_of, state_of, tiny_llama
from tests.models.families import tiny_model
from tests.models.interrupting import at_change, interrupted

PROMPT = list(QUESTION.clean)


@pytest.fixture(scope="module")
def model():
    return pellucid.load(tiny_llama(num_hidden_layers=3))


@pytest.fixture(scope="module")
def vector(model):
    drawn = torch.randn(32, generator=torch.Generator().manual_seed(2))
    return pellucid.steering_vector(model, drawn, layers=[0, 1, 2, 3])


def steered_plainly(model, layer, vector, call):
    """``call`` with a hook of torch's own."""
    layers = model.module.model.layers
    if layer < len(layers):
        handle = layers[layer].register_forward_pre_hook(
            lambda module, args: (args[0] + vector, *args[1:])
        )
    else:
        handle = layers[-1].register_forward_hook(lambda module, args, output: output + vector)
    try:
        return call()
    finally:
        handle.remove()


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_plain_forwards_are_those_with_a_plain_hook(model, vector, layer):
    wanted = steered_plainly(
        model, layer, 2 * vector.directions[0], lambda: logits_of(model.module)
    )
    with vector.applied(model, scale=2.0, layers=layer):
        found = logits_of(model.module)
    assert torch.equal(found, wanted)
    assert not torch.equal(found, logits_of(model.module))
    edited = pellucid.run_edited(model, PROMPT, vector.edits(scale=2.0, layers=layer))
    torch.testing.assert_close(edited, wanted)


@pytest.mark.parametrize(
    "name",
    ["record", "patch", "attribute", "logit_lens", "generate", "activations", "faithfulness"],
)
def test_calls_inside_are_those_with_a_plain_hook(model, vector, name):
    def numbers():
        found = CALLS[name](model)
        kept = {
            "record": lambda: found.metric_clean,
            "patch": lambda: found.per_example,
            "attribute": lambda: found.score,
            "logit_lens": lambda: found.prompt.top_probability,
            "generate": lambda: found.log_probability,
            "activations": lambda: found["L0 z"],
            "faithfulness": lambda: torch.tensor(found.sufficiency),
        }[name]()
        return kept.clone()

    wanted = steered_plainly(model, 1, vector.directions[0], numbers)
    with vector.applied(model, layers=1):
        found = numbers()
    torch.testing.assert_close(found, wanted)
    assert not torch.allclose(found, numbers()) or name == "activations"


def test_sums_of_parts_are_refused_inside_as_with_any_hook(model, vector):
    with vector.applied(model, layers=1), pytest.raises(HookError, match=r"model\.layers\.1"):
        CALLS["direct_effects"](model)


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "gemma2"])
@pytest.mark.parametrize("positions", ["all", "generated", (1, 7)])
def test_positions_while_text_is_written(family, positions):
    opened = pellucid.load(tiny_model(family))
    opened.module.generation_config.eos_token_id = None
    drawn = torch.randn(opened.anatomy.d_model, generator=torch.Generator().manual_seed(2)) * 3
    vector = pellucid.steering_vector(opened, drawn, layers=[1])
    n = len(PROMPT)
    places = {"all": None, "generated": tuple(range(n, n + 4))}.get(positions, positions)
    wanted = pellucid.generate(
        opened, PROMPT, max_new_tokens=5, edits=vector.edits(positions=places)
    )
    with vector.applied(opened, positions=positions):
        found = pellucid.generate(opened, PROMPT, max_new_tokens=5)
        plain = opened.module.generate(
            torch.tensor([PROMPT]), attention_mask=torch.ones(1, n), max_new_tokens=5,
            do_sample=False, pad_token_id=0,
        )  # fmt: skip
    assert found.ids == wanted.ids == tuple(plain[0, n:].tolist())
    torch.testing.assert_close(found.log_probability, wanted.log_probability)


def test_nothing_is_left_after_an_error_or_an_interrupt(model, vector):
    state, logits = state_of(model.module), logits_of(model.module)
    with pytest.raises(ZeroDivisionError), vector.applied(model):
        raise ZeroDivisionError
    assert state_of(model.module) == state

    def call():
        with vector.applied(model, layers=[1, 2]):
            model.module(IDS)

    n = 1
    for side in ("before", "after"):
        n = 1
        while interrupted(at_change(n, side), call):
            assert state_of(model.module) == state, (side, n)
            n += 1
    assert n > 5
    assert torch.equal(logits_of(model.module), logits)


def test_pairs_give_the_mean_difference_of_the_last_tokens(model):
    found = pellucid.steering_vector(model, PAIRS, layers=[1, 3])
    sides = []
    for side in (0, 1):
        last = []
        for pair in PAIRS:
            with torch.no_grad():
                seen = model.module.model(torch.tensor([pair[side]]), output_hidden_states=True)
            last.append(seen.hidden_states[1][0, -1])
        sides.append(torch.stack(last).mean(0))
    torch.testing.assert_close(found.directions[0], sides[0] - sides[1])
    assert found.passes.forwards >= 6
    contrasts = pellucid.ContrastBatch((QUESTION, QUESTION))
    assert pellucid.steering_vector(model, contrasts, positions="mean").layers == (1, 2)


def test_a_control_vector_is_written_for_llama_cpp_and_read(model, tmp_path):
    found = pellucid.steering_vector(model, PAIRS, layers=[2, 3])
    for _ in range(2):  # ours is replaced
        found.to_gguf(tmp_path / "v.gguf", model_hint="llama")
    reader = GGUFReader(tmp_path / "v.gguf")
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.model_hint").contents() == "llama"
    # direction.N is added behind block N: what enters layer N + 1.
    assert [tensor.name for tensor in reader.tensors] == ["direction.1", "direction.2"]
    assert [tensor.data.dtype.name for tensor in reader.tensors] == ["float32", "float32"]
    again = SteeringVector.from_gguf(tmp_path / "v.gguf")
    assert again.layers == (2, 3)
    assert torch.equal(again.directions, found.directions)
    with again.applied(model, layers=2):
        one = logits_of(model.module)
    with found.applied(model, layers=2):
        assert torch.equal(one, logits_of(model.module))


def test_files_that_are_no_control_vectors_are_refused(model, vector, tmp_path):
    (tmp_path / "text.gguf").write_text("hello")
    for name in ("text.gguf", "nothing.gguf"):
        with pytest.raises(ResultFileError, match="cannot be read as GGUF"):
            SteeringVector.from_gguf(tmp_path / name)
    with pytest.raises(ResultFileError, match=r"text\.gguf"):  # somebody else's is not replaced
        vector.of_layers([2]).to_gguf(tmp_path / "text.gguf")
    with pytest.raises(EditError, match=r"layer 0: llama\.cpp adds vectors behind blocks 1"):
        vector.to_gguf(tmp_path / "v.gguf")
    again = SteeringVector.load(vector.save(tmp_path / "saved"))
    assert torch.equal(again.directions, vector.directions)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m, v: v.applied(m, layers=9), EditError, "no direction for 9 among layers"),
        (lambda m, v: v.applied(m, layers=[]), EditError, "no direction for no layer"),
        (lambda m, v: v.applied(m, positions=[-1]), EditError, "give numbers from 0"),
        (lambda m, v: v.applied(m, positions="some"), EditError, "choose 'all', 'generated'"),
        (lambda m, v: pellucid.steering_vector(m, torch.ones(5)), EditError, r"shape \[5\]"),
        (lambda m, v: pellucid.steering_vector(m, PAIRS[:1]), TaskError, "holds 1 pairs"),
        (lambda m, v: pellucid.steering_vector(m, [([1], [1])] * 3), TaskError, "same values"),
        (lambda m, v: pellucid.steering_vector(m, PAIRS, layers=7), EditError, "0 to 2, and 3"),
        (lambda m, v: pellucid.steering_vector(m, PAIRS, method="x"), TaskError, "choose one of"),
    ],
)
def test_what_cannot_be_is_refused(model, vector, call, error, says):
    with pytest.raises(error, match=says):
        call(model, vector)


def test_a_vector_of_another_model_is_refused(vector):
    with pytest.raises(EditError, match="made for this model"):
        vector.applied(pellucid.load(tiny_llama(hidden_size=16)))
