"""The logit lens: its last row is the model, its other rows are plain arithmetic."""

import dataclasses
import functools
import itertools

import pytest
import torch
import transformers

import pellucid
from pellucid import EditError, LogitLens, TaskError
from pellucid.errors import AlignmentError, ContextLengthError, TokenError
from tests.models.small import FAMILIES, PAIR, VARIETIES, family, tiny

PROMPT, OTHER = list(PAIR.clean), list(PAIR.corrupted)


def own_logits(model, prompt):
    with torch.no_grad():
        return model.module(input_ids=torch.tensor([prompt])).logits[0]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_last_row_is_the_model_s_output_bit_for_bit(name):
    model = family(name)
    lens = pellucid.logit_lens(model, PROMPT, targets=range(10))
    own = own_logits(model, PROMPT)
    assert torch.equal(lens.prompt.target_logit[-1], own[:, :10])
    assert torch.equal(lens.prompt.top_ids[-1, :, 0], own.argmax(-1))
    torch.testing.assert_close(lens.prompt.top_probability[-1], own.softmax(-1).topk(5).values)
    # Led the way of all the others, the last stream gives the same but for rounding, which a
    # kernel may do differently for another number of rows.
    assert lens.error <= 4 * torch.finfo(torch.float32).eps * float(own.abs().max())


def test_the_soft_cap_is_the_model_s_own():
    lens = pellucid.logit_lens(family("gemma2"), PROMPT, targets=range(151))
    assert float(lens.prompt.target_logit.abs().max()) <= 0.3
    assert float(lens.prompt.target_logit.abs().max()) > 0.15  # near enough to be bent


@pytest.mark.parametrize("variety", sorted(VARIETIES))
def test_every_row_is_the_stream_there_normed_and_unembedded(variety):
    model = tiny(variety)
    module, tokens = model.module, torch.tensor([PROMPT])
    stream = module.embed(tokens) + module.position.weight[: len(PROMPT)]
    mask = torch.ones(len(PROMPT), len(PROMPT), dtype=torch.bool).tril()[None, None]
    wanted = {"embed": stream}
    for i, block in enumerate(module.layers):
        middle = stream + block.attention(block.attention_norm(stream), mask)
        if not block.parallel:
            wanted[f"A{i}"] = middle
        if block.mlp is not None:
            name = "B" if block.parallel else "M"
            read = stream if block.parallel else middle
            wanted[f"{name}{i}"] = middle + block.mlp(block.mlp_norm(read))
        stream = list(wanted.values())[-1]
    lens = pellucid.logit_lens(model, PROMPT, targets=range(32))
    assert [point.name for point in lens.points] == list(wanted)
    for found, there in zip(lens.prompt.target_logit, wanted.values(), strict=True):
        logits = module.lm_head(module.norm(there))[0].detach()
        torch.testing.assert_close(found, logits, rtol=0, atol=1e-12)


def test_middle_rows_are_those_of_plain_hooks_on_a_hugging_face_model():
    model = family("llama")
    seen = {}

    def note(name):
        return lambda module, args: seen.__setitem__(name, args[0].clone())

    layers = model.module.model.layers
    hooks = [
        layer.post_attention_layernorm.register_forward_pre_hook(note(f"A{i}"))
        for i, layer in enumerate(layers)
    ]
    try:
        own_logits(model, PROMPT)
    finally:
        for hook in hooks:
            hook.remove()
    lens = pellucid.logit_lens(model, PROMPT, targets=range(151))
    for point, found in zip(lens.points, lens.prompt.target_logit, strict=True):
        if point.sublayer == "attn":
            with torch.no_grad():
                wanted = model.module.lm_head(model.module.model.norm(seen[point.name]))[0]
            torch.testing.assert_close(found, wanted)


def test_probabilities_and_ranks_are_those_of_sorting():
    model = tiny("rms")
    lens = pellucid.logit_lens(model, PROMPT, targets=range(32))
    logits = lens.prompt.target_logit
    torch.testing.assert_close(lens.prompt.target_probability, logits.softmax(-1))
    order = logits.argsort(-1, descending=True)
    ranks = lens.prompt.target_rank.gather(-1, order)
    assert torch.equal(ranks, torch.arange(1, 33).expand_as(ranks))
    assert torch.equal(lens.prompt.top_ids, order[..., :5])
    pair = pellucid.logit_lens(model, PROMPT, targets=[6, 8])
    torch.testing.assert_close(pair.logit_difference, logits[..., 6] - logits[..., 8])


def test_chosen_positions_are_rows_of_all_positions():
    model = family("gpt2")
    every = pellucid.logit_lens(model, PROMPT, targets=[6, 8])
    some = pellucid.logit_lens(model, PROMPT, targets=[6, 8], positions=[-1, 2])
    assert some.positions == (5, 2)
    torch.testing.assert_close(some.prompt.target_logit, every.prompt.target_logit[:, [5, 2]])
    with torch.no_grad():
        own = model.module(input_ids=torch.tensor([PROMPT]), logits_to_keep=1).logits[0, -1]
    last = pellucid.logit_lens(model, PROMPT, targets=[6, 8], positions=-1)
    # Equal but for the last digits: few rows are multiplied in another order (skinny_matmul.py).
    torch.testing.assert_close(last.prompt.target_logit[-1, 0], own[[6, 8]])


def test_two_prompts_side_by_side_and_where_they_part():
    model = tiny("layer")
    targets = range(32)
    both = pellucid.logit_lens(model, PROMPT, against=OTHER, targets=targets)
    alone = [pellucid.logit_lens(model, p, targets=targets).prompt for p in (PROMPT, OTHER)]
    for found, wanted in zip((both.prompt, both.against), alone, strict=True):
        torch.testing.assert_close(found.target_logit, wanted.target_logit)
    p, q = (one.target_logit.log_softmax(-1) for one in alone)
    kl = torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1)
    torch.testing.assert_close(both.kl, kl, rtol=1e-9, atol=1e-12)
    assert not both.kl[:, :2].any()  # the same prompt so far
    parting = both.parting(threshold=1e-9)
    assert parting[:2] == (None, None)
    assert parting[2].name == "embed"  # the token itself differs
    assert parting[5].name == "A0"  # what attention brings
    later = both.parting(threshold=float(both.kl[-2:, 5].min()) * 0.99)[5]
    index = both.points.index(later)
    assert bool((both.kl[index:, 5] > float(both.kl[-2:, 5].min()) * 0.99).all())


def test_parting_by_difference_is_half_of_the_last_one_to_the_end():
    lens = pellucid.logit_lens(tiny("rms"), PROMPT, against=OTHER, targets=[6, 8])
    wanted = lens.prompt.logit_difference - lens.against.logit_difference
    assert torch.equal(lens.difference, wanted)
    point = lens.parting("difference")[5]
    index = lens.points.index(point)
    above = wanted[:, 5].abs() > wanted[-1, 5].abs() / 2
    assert bool(above[index:].all())
    assert index == 0 or not bool(above[index - 1])


def test_shifts_are_what_plain_hooks_say_each_sublayer_of_gpt2_adds():
    model = family("gpt2")
    lens = pellucid.logit_lens(model, PROMPT, targets=[3, 4])
    transformer, seen = model.module.transformer, []
    handles = [transformer.drop.register_forward_hook(lambda m, i, out: seen.append(out))]
    for block in transformer.h:
        # The stream behind attention is what the second norm reads.
        handles.append(block.ln_2.register_forward_pre_hook(lambda m, args: seen.append(args[0])))
        handles.append(block.register_forward_hook(
            lambda m, i, out: seen.append(out[0] if isinstance(out, tuple) else out)))  # fmt: skip
    own = own_logits(model, PROMPT)
    for handle in handles:
        handle.remove()
    with torch.no_grad():
        logits = [model.module.lm_head(transformer.ln_f(stream))[0] for stream in seen]
    pair = [logit[:, 3] - logit[:, 4] for logit in logits]
    wanted = torch.stack([pair[0], *(b - a for a, b in itertools.pairwise(pair))])
    torch.testing.assert_close(lens.shift, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(lens.shift.sum(0), own[:, 3] - own[:, 4], rtol=1e-5, atol=1e-6)
    rows = lens.to_frame("targets")
    by_target = rows.groupby(["position", "target"])["shift"].sum()
    last = rows[rows["sublayer"] == "mlp"].groupby(["position", "target"])["logit"].last()
    assert by_target.to_numpy() == pytest.approx(last.to_numpy(), abs=1e-5)
    largest = int(wanted[1:, -1].abs().argmax()) + 1
    assert f"Largest shifts of diff: {lens.points[largest].name} " in str(lens)
    assert pellucid.logit_lens(model, PROMPT, targets=[3]).shift is None


def test_a_target_settles_where_it_is_the_likeliest_to_the_end():
    model = tiny("rms")
    last = int(own_logits(model, PROMPT)[-1].argmax())
    lens = pellucid.logit_lens(model, PROMPT, targets=[last, (last + 1) % 11])
    for position in range(len(PROMPT)):
        best = [int(row[position, 0]) for row in lens.prompt.top_ids]
        wanted = None
        for point, token in zip(reversed(lens.points), reversed(best), strict=True):
            if token != last:
                break
            wanted = point
        assert lens.settling()[position] == wanted
    settled = lens.settling()[-1]
    derived = lens.derived()
    assert derived["settles"] == [settled.name, None]
    assert torch.equal(derived["shift"], lens.shift)
    assert f"From {settled.name} on" in lens.to_markdown()
    with pytest.raises(TaskError, match="counted from 0"):
        lens.settling(2)


def test_a_late_start_changes_no_number():
    model = family("llama")
    assert model.check.can_start_late
    off = dataclasses.replace(model.check, can_start_late=False)
    quick = pellucid.logit_lens(model, PROMPT, targets=[6, 8])
    slow = pellucid.logit_lens(dataclasses.replace(model, check=off), PROMPT, targets=[6, 8])
    torch.testing.assert_close(quick.prompt.target_logit, slow.prompt.target_logit)


def test_passes_are_real_calls(monkeypatch):
    model = family("gpt2")
    rows = []
    plain = type(model.module).forward

    @functools.wraps(plain)
    def counting(*args, **kwargs):
        rows.append(len(kwargs["input_ids"]))
        return plain(*args, **kwargs)

    # Not by a hook: while there is one, no shortcut is taken.
    monkeypatch.setattr(type(model.module), "forward", counting)
    lens = pellucid.logit_lens(model, PROMPT)
    assert lens.passes.forwards == sum(rows) == 1 + len(lens.points)
    assert lens.passes.calls == len(rows)


def test_tables_name_what_they_show():
    lens = pellucid.logit_lens(tiny("rms"), PROMPT, against=OTHER, targets=[6, 8], top=2)
    top = lens.to_frame()
    assert list(top.columns) == [
        "prompt", "layer", "sublayer", "position", "token", "rank", "predicted", "probability",
    ]  # fmt: skip
    assert len(top) == 2 * 5 * 6 * 2
    targets = lens.to_frame("targets")
    row = targets.query("prompt == 'against' and sublayer == 'mlp' and layer == 1")
    row = row.query("position == 5 and target == '8'").iloc[0]
    assert row["rank"] == int(lens.against.target_rank[-1, -1, 1])
    assert row["logit"] == float(lens.against.target_logit[-1, -1, 1])


def test_a_lens_survives_being_written_down(tmp_path):
    lens = pellucid.logit_lens(tiny("rms"), PROMPT, against=OTHER, targets=[6, 8])
    again = LogitLens.load(lens.save(tmp_path / "lens"))
    assert again.to_frame("targets").equals(lens.to_frame("targets"))
    assert torch.equal(again.kl, lens.kl)
    assert str(again) == str(lens)


def test_the_default_keeps_all_of_a_small_vocabulary():
    letters = transformers.GPT2Config(vocab_size=3, n_positions=8, n_embd=8, n_layer=1, n_head=1)
    model = pellucid.load(transformers.GPT2LMHeadModel(letters).eval())
    frame = pellucid.logit_lens(model, [0, 1, 2]).to_frame()
    assert set(frame["rank"]) == {1, 2, 3}


def test_what_cannot_be_read_says_why():
    model = tiny("rms")
    with pytest.raises(AlignmentError, match="6 and 2 tokens"):
        pellucid.logit_lens(model, PROMPT, against=[1, 2])
    with pytest.raises(EditError, match="0 to 5"):
        pellucid.logit_lens(model, PROMPT, positions=6)
    with pytest.raises(TokenError, match="outside the vocabulary"):
        pellucid.logit_lens(model, PROMPT, targets=32)
    with pytest.raises(ContextLengthError, match="at most 64"):
        pellucid.logit_lens(model, [1] * 65)
    with pytest.raises(TaskError, match=r"contrast\.clean"):
        pellucid.logit_lens(model, PAIR)
    with pytest.raises(TaskError, match="1 to 32"):
        pellucid.logit_lens(model, PROMPT, top=0)
    with pytest.raises(TaskError, match="pass against="):
        pellucid.logit_lens(model, PROMPT).parting()


@pytest.mark.smol
def test_the_answer_is_read_where_the_model_makes_it(smol):
    prompt = "When Mary and John went to the store, John gave a drink to"
    other = "When Mary and John went to the store, Anna gave a drink to"
    lens = pellucid.logit_lens(smol, prompt, targets=[" Mary", " John"], against=other)
    own = own_logits(smol, smol.tokenizer(prompt).input_ids)
    assert torch.equal(lens.prompt.target_logit[-1, -1], own[-1, list(lens.target_ids)])
    assert lens.prompt.top_tokens[-1][-1][0] == " Mary"
    # L23H3 moves the name; from its layer on the two prompts differ in what they prefer.
    assert lens.parting("difference")[-1].name == "A23"
    assert max(len(line) for line in str(lens).splitlines()) <= 80
    with pytest.raises(TokenError, match="must be one token"):
        pellucid.logit_lens(smol, prompt, targets=" Wolfeschlegelstein")
