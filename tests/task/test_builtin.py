import pytest
import torch

from pellucid.errors import TaskError, TokenError
from pellucid.task.builtin import TASKS, induction, task, tasks
from pellucid.task.ioi_forms import ioi_forms
from pellucid.task.metrics import logit_diff
from pellucid.task.tokens import continuation_ids
from pellucid.task.words import DAYS, MONTHS, NUMBERS
from tests.models.tokenizers import byte_level, needs_smol, sentencepiece, smol_tokenizer, wide

MORE = ["ioi_forms", "successor", "opposites", "sycophancy", "refusal", "decision"]
NAMES = [name for name in TASKS if name not in MORE]
FLIPPING = [name for name in NAMES if name != "greater_than"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [byte_level, lambda: byte_level(2)])
def test_contrasts_are_distinct_aligned_and_single(name, make):
    tokenizer = make()
    batch = task(name)(tokenizer, 24, 3)
    assert (len(batch), len(set(batch)), batch.name) == (24, 24, name)
    encoded = batch.encode(tokenizer)
    assert encoded.reads.shape == (24, 1)
    assert encoded.answers_real.all()
    assert not encoded.padded
    assert encoded.notes == ()


@pytest.mark.parametrize("name", NAMES)
def test_seed_decides(name):
    tokenizer = byte_level()
    assert task(name)(tokenizer, 8, 1) == task(name)(tokenizer, 8, 1)
    assert task(name)(tokenizer, 8, 1) != task(name)(tokenizer, 8, 2)


@pytest.mark.parametrize("name", ["ioi", "docstring", "induction"])
def test_corrupted_prompt_is_the_clean_one_with_the_two_exchanged(name):
    """The corrupted prompt is itself a prompt of the task, with the foil for its answer."""
    tokenizer = byte_level()
    for one in task(name)(tokenizer, 16, 0):
        resolved = one.resolve(tokenizer)
        pairs = zip(resolved.clean, resolved.corrupted, strict=True)
        changed = [pair for pair in pairs if len(set(pair)) > 1]
        answer, foil = resolved.answer[0], resolved.foil[0]
        assert set(changed) <= {(answer, foil), (foil, answer)}
        assert len(changed) == {"ioi": 1, "docstring": 2, "induction": 1}[name]


def test_ioi_answer_stands_once():
    for one in task("ioi")(byte_level(), 16, 0):
        words = one.clean.replace(",", "").split()
        assert words.count(one.answer.strip()) == 1
        assert words.count(one.foil.strip()) == 2


@pytest.mark.parametrize("digits", [1, 2])
def test_years_end_later(digits):
    tokenizer = byte_level(digits)
    for one in task("greater_than")(tokenizer, 40, 0):
        year = one.clean.split("year ")[1][:4]
        shown = year[2:] if digits == 2 else year[2]
        assert int(one.foil) < int(shown) < int(one.answer)
        assert one.corrupted == one.clean.replace(year, year[:2] + "01")
        assert one.clean.endswith(f"to the year {year[:2]}")


def test_subject_and_attractor_differ_in_number():
    for one in task("agreement")(byte_level(), 24, 0):
        _, subject, _, _, attractor = one.clean.split()
        plural = subject.endswith("s") or subject in ("children", "men", "women")
        assert plural != (attractor.endswith("s") or attractor in ("children", "men", "women"))
        assert one.answer == (" are" if plural else " is")


def test_induction_repeats_and_begins_like_a_prompt():
    tokenizer = sentencepiece()
    for one in induction(tokenizer, 4, 0, length=5):
        begin, *ids = one.clean
        assert begin == tokenizer.bos_token_id
        assert ids[:4] == ids[5:]
        assert ids[4] == one.answer
        assert one.corrupted[5] == one.foil


def test_names_and_limits():
    assert [one.name for one in tasks()] == NAMES + MORE
    assert [one.name for one in tasks("ioi", "capitals")] == ["ioi", "capitals"]
    with pytest.raises(TaskError, match=r"No task is called 'iou'\. There are ioi, greater_than"):
        tasks("iou")
    with pytest.raises(TaskError, match="Ask for fewer"):
        task("capitals")(byte_level(), 100_000)
    with pytest.raises(TaskError, match="at least one"):
        task("ioi")(byte_level(), 0)


def test_tokenizer_without_the_words():
    class Letters:
        """Every character is a token."""

        def __call__(self, text, **_):
            return {"input_ids": [ord(letter) for letter in text]}

        def decode(self, ids, **_):
            return "".join(map(chr, ids))

        def convert_ids_to_tokens(self, ids):
            return chr(ids)

        def get_vocab(self):
            return {chr(i): i for i in range(128)}

        def __len__(self):
            return 128

    with pytest.raises(TokenError, match=r"' Mary', ' Sarah', .* only 0 are"):
        task("ioi")(Letters())
    assert len(task("induction")(Letters(), 4)) == 4


@pytest.mark.smol
@needs_smol
@pytest.mark.parametrize("name", NAMES)
def test_smollm2_does_them(name, smollm2):
    """Clean well above zero; corrupted below it, or for greater-than at least halved."""
    tokenizer = smol_tokenizer()
    encoded = task(name)(tokenizer, 8, 0).encode(tokenizer, max_positions=8192, vocab_size=49152)
    clean, corrupted = (
        logit_diff(at_reads(smollm2, ids, encoded), encoded)
        for ids in (encoded.clean, encoded.corrupted)
    )
    assert clean.mean() > 1.5
    assert (clean > 0).float().mean() >= 0.75
    assert corrupted.mean() < (0 if name in FLIPPING else clean.mean() / 2)


@pytest.mark.parametrize("name", MORE)
def test_more_tasks_are_distinct_aligned_and_say_what_they_share(name):
    batch = task(name)(wide(), 24, 3)
    assert len(set(batch)) == 24
    assert task(name)(wide(), 24, 3) == batch
    assert batch.encode(wide()).n_examples == 24
    assert all(one.group or one.fillers for one in batch)


def test_forms_of_ioi_have_both_orders_and_a_group_each():
    batch = ioi_forms(wide(), 200, 0)
    assert len({one.group for one in batch}) == 12
    assert {one.group.split()[0] for one in batch} == {"early", "late", "long"}
    first = [one.clean.index(one.answer) < one.clean.index(one.foil) for one in batch]
    assert 0.35 < sum(first) / 200 < 0.65
    for one in batch:
        assert (one.clean.count(one.answer), one.clean.count(one.foil)) == (1, 2)


def test_what_is_corrupted_is_the_repeated_name_a_third_one_or_both():
    for repeat, third, swap in zip(
        *(ioi_forms(wide(), 40, 1, corruption=c) for c in ("repeat", "third_name", "swap")),
        strict=True,
    ):
        assert repeat.clean == third.clean == swap.clean
        changed = [
            [
                (a, b)
                for a, b in zip(one.clean.split(), one.corrupted.split(), strict=True)
                if a != b
            ]
            for one in (repeat, third, swap)
        ]
        assert [len(some) for some in changed] == [1, 1, 3]
        assert changed[1][0][1] not in repeat.clean
    with pytest.raises(TaskError, match="corruption='both' is not known"):
        ioi_forms(wide(), 4, 0, corruption="both")


def test_what_follows_is_next_in_its_sequence():
    for one in task("successor")(wide(), 24, 0):
        (words,) = [w for w in (DAYS, MONTHS, NUMBERS) if one.answer.strip() in w]
        last = one.clean.split()[-1].strip(",")
        assert words.index(one.answer.strip()) == words.index(last) + 1
        assert one.clean.count(last) == 1


@pytest.mark.smol
@needs_smol
@pytest.mark.parametrize("name", MORE)
def test_smollm2_does_more_of_them(name, smollm2):
    """It prefers the answer; corrupted, at most half of that is left."""
    tokenizer = smol_tokenizer()
    encoded = task(name)(tokenizer, 12, 0).encode(tokenizer, max_positions=8192, vocab_size=49152)
    clean, corrupted = (
        logit_diff(at_reads(smollm2, ids, encoded), encoded)
        for ids in (encoded.clean, encoded.corrupted)
    )
    assert clean.mean() > 0.5
    assert (clean > 0).float().mean() >= 0.75
    assert corrupted.mean() < clean.mean() / 2


@pytest.mark.smol
@needs_smol
def test_answers_are_one_token_in_smollm2():
    tokenizer = smol_tokenizer()
    for made in tasks(*(name for name in TASKS if name not in ("refusal", "decision"))):
        for one in made(tokenizer, 8, 5):
            assert len(continuation_ids(one.answer, tokenizer)) == 1


@pytest.fixture(scope="module")
def smollm2():
    return pytest.importorskip("pellucid.model.opening.load").resolve("smollm2-135m").hf


@torch.no_grad()
def at_reads(model, ids, encoded):
    hidden = model.model(input_ids=ids).last_hidden_state
    index = encoded.reads[..., None].expand(-1, -1, hidden.shape[-1])
    return model.lm_head(hidden.gather(1, index))
