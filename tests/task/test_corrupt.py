import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import BehaviourError, CorruptionError
from pellucid.task.corrupt import candidates, judge, most_changing
from pellucid.task.tokens import labels
from pellucid.task.words import CAPITALS, MEN, WOMEN
from tests.models.tokenizers import byte_level, sentencepiece

IOI = "When Mary and John went to the store, John gave a drink to"


def fixed(**values):
    """A measure that gives each kind of corrupted prompt one value; 4 on the clean one."""
    return lambda contrasts: [(4.0, values.get(one.corrupted, 4.0)) for one in contrasts]


def falling(to):
    return lambda contrasts: [(4.0, to) for _ in contrasts]


@pytest.mark.parametrize("make", [byte_level, sentencepiece])
def test_repeated_name_comes_first_then_the_full_swap(make):
    tokenizer = make()
    found = candidates(tokenizer, IOI, " Mary", " John")
    tokens = labels(tokenizer, tokenizer(IOI).input_ids)
    names = tuple(at for at, token in enumerate(tokens) if token in (" Mary", " John"))
    assert [one.how for one in found[:2]] == ["repeat", "swap"]
    repeat, swap = found[:2]
    assert repeat.contrast.corrupted == (
        "When Mary and John went to the store, Mary gave a drink to"
    )
    assert swap.contrast.corrupted == "When John and Mary went to the store, Mary gave a drink to"
    assert len(names) == 3
    assert repeat.changed == names[-1:]
    assert swap.changed == names


def test_only_answer_in_the_prompt():
    found = candidates(byte_level(), "So Mary and the teacher. The friend is", " Mary", " John")
    assert found[0].how == "replace answer"
    assert found[0].contrast.corrupted == "So John and the teacher. The friend is"


def test_country_by_country():
    found = candidates(byte_level(), "The capital of France is", " Paris", " Rome")
    assert {one.how for one in found} == {"replace word", "replace verb"}
    assert [one.what for one in found if one.how == "replace verb"] == ["'is' -> 'are'"]
    assert "The capital of Italy is" in {one.contrast.corrupted for one in found}
    assert {one.what.split("'")[1] for one in found} <= {"France", "is"}


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(WOMEN + MEN),
    st.sampled_from(WOMEN + MEN),
    st.sampled_from([*CAPITALS, "the store", "Maryland and Johnson"]),
    st.booleans(),
)
def test_every_candidate_aligns_and_never_ends_in_the_foil(one, two, place, twice):
    if one == two:
        return
    tokenizer = byte_level()
    prompt = f"When {one} and {two} went to {place}, {two if twice else 'they'} gave a drink to"
    found = candidates(tokenizer, prompt, f" {one}", f" {two}")
    assert found
    clean = tokenizer(prompt).input_ids
    for candidate in found:
        corrupted = candidate.contrast.corrupted
        ids = tokenizer(corrupted).input_ids
        differ = tuple(at for at in range(len(clean)) if clean[at] != ids[at])
        assert len(ids) == len(clean)
        assert differ == candidate.changed != ()
        assert corrupted.endswith(" to")
        assert ("Maryland" in corrupted) == ("Maryland" in prompt)


def test_names_of_other_lengths_that_cancel_are_not_aligned():
    tokenizer = byte_level()
    prompt = "So Mary and Zebulonia went to the store, so Zebulonia and Mary gave a drink to"
    assert len(tokenizer(" Zebulonia").input_ids) > 1
    found = candidates(tokenizer, prompt, " Mary", " Zebulonia")
    swapped = "So Zebulonia and Mary went to the store, so Mary and Zebulonia gave a drink to"
    assert len(tokenizer(swapped).input_ids) == len(tokenizer(prompt).input_ids)
    assert "swap" not in {one.how for one in found}


def test_prompt_of_ids():
    found = candidates(None, [1, 5, 2, 6, 3, 6, 4], 5, 6)
    assert [(one.how, one.contrast.corrupted) for one in found] == [
        ("repeat", (1, 5, 2, 6, 3, 5, 4)),
        ("swap", (1, 6, 2, 5, 3, 5, 4)),
    ]
    assert [one.changed for one in found] == [(5,), (1, 3, 5)]
    assert candidates(None, [1, 2, 3], 5, 6) == []
    assert candidates(None, [1, 5, 6], [5, 6], 7) == []


def test_judge_prefers_the_kind_then_the_fall():
    found = candidates(byte_level(), IOI, " Mary", " John")
    repeat, swap = found[:2]
    verdict = judge(found, fixed(**{repeat.contrast.corrupted: 1.9, swap.contrast.corrupted: -4}))
    assert verdict.best is repeat
    assert [one.verdict for one in verdict.table] == ["falls", "flips"]
    assert [one.drop for one in verdict.table] == pytest.approx([2.1, 8])
    verdict = judge(found, fixed(**{repeat.contrast.corrupted: 2.1, swap.contrast.corrupted: -4}))
    assert verdict.best is swap


def test_judge_measures_words_only_when_names_do_not_work():
    found = candidates(byte_level(), IOI, " Mary", " John")
    calls = []

    def measure(contrasts):
        calls.append(len(contrasts))
        return [(4.0, 3.9 if len(calls) == 1 else -1.0) for _ in contrasts]

    verdict = judge(found, measure)
    assert calls == [2, len(found) - 2]
    assert verdict.best.how == "replace word"
    assert len(verdict.table) == len(found)


def test_judge_takes_the_word_that_falls_most():
    found = candidates(byte_level(), "The capital of France is", " Paris", " Rome")
    drops = {one.contrast.corrupted: 1.0 for one in found} | {"The capital of Italy is": -6.0}
    verdict = judge(found, fixed(**drops))
    assert verdict.best.contrast.corrupted == "The capital of Italy is"
    frame = verdict.to_frame()
    assert list(frame.columns) == [
        *("how", "what", "corrupted_prompt", "changed", "clean", "corrupted", "drop", "verdict")
    ]
    assert frame["drop"].iloc[0] == 10


def test_none_works_says_what_was_tried_and_how_to_give_one():
    found = candidates(byte_level(), "The capital of France is", " Paris", " Rome")
    with pytest.raises(CorruptionError) as error:
        judge(found, falling(2.5))
    text = str(error.value)
    assert f"None of {len(found)} corrupted prompts takes away 50% of the clean metric (4" in text
    assert "at most 2 may be left" in text
    assert "'France' -> 'Italy': 4 -> 2.5" in text
    assert "Give one: corrupted='The capital of" in text


def test_a_verb_of_the_other_number_decides_nothing_unless_it_flips():
    tokenizer = byte_level()
    found = candidates(tokenizer, "The new loan is", " approved", " denied")
    verbs = [one for one in found if one.how == "replace verb"]
    assert [one.what for one in verbs] == ["'is' -> 'are'"]
    with pytest.raises(CorruptionError) as caught:
        judge(verbs, falling(1.0))
    assert "are'" not in str(caught.value).rpartition("Give one")[2]
    assert judge(verbs, falling(-1.0)).best is verbs[0]


def test_where_the_foil_is_preferred_what_moves_the_metric_is_taken():
    found = candidates(byte_level(), IOI, " Mary", " John")

    def measure(to):
        return lambda contrasts: [(-2.0, to[one.corrupted]) for one in contrasts]

    values = {one.contrast.corrupted: -2.0 for one in found}
    with pytest.raises(CorruptionError, match="prefers the foil; perhaps exchange"):
        most_changing(found, measure(values))
    swap = next(one for one in found if one.how == "swap")
    assert most_changing(found, measure({**values, swap.contrast.corrupted: 3.0})) is swap


def test_nothing_to_try():
    found = candidates(byte_level(), "they gave", " Paris", " Rome")
    assert found == []
    with pytest.raises(CorruptionError, match=r'Give one: corrupted="\.\.\."'):
        judge(found, falling(0))


def test_model_that_prefers_the_foil():
    found = candidates(byte_level(), IOI, " Mary", " John")
    with pytest.raises(BehaviourError, match=r"clean metric is -1: .*does not prefer ' Mary'"):
        judge(found, lambda contrasts: [(-1.0, -2.0) for _ in contrasts])


@pytest.mark.smol
def test_a_missing_space_is_pointed_at_where_nothing_was_found(smol):
    from pellucid import analyze

    with pytest.raises(CorruptionError, match="did you mean ' Mary', a single token"):
        analyze(smol, prompt="Xyzzy plugh", answer="Mary", foil="John")
    with pytest.raises(CorruptionError) as refused:
        analyze(smol, prompt="Xyzzy plugh", answer=" Mary", foil=" John")
    assert "did you mean" not in str(refused.value)
