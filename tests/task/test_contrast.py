import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pellucid.errors import AlignmentError, ContextLengthError, TokenError
from pellucid.task.contrast import Contrast, ContrastBatch, plain_ids
from pellucid.task.tokens import continuation_ids, labels, token_id
from tests.models.tokenizers import byte_level, closing, needs_smol, sentencepiece, smol_tokenizer

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
IOI = Contrast(CLEAN, CORRUPTED, " Mary", " John")


def test_one_token_each_is_one_row():
    tokenizer = byte_level()
    encoded = IOI.encode(tokenizer)
    assert encoded.clean.tolist() == [tokenizer(CLEAN).input_ids]
    assert encoded.corrupted.tolist() == [tokenizer(CORRUPTED).input_ids]
    assert encoded.reads.tolist() == [[encoded.clean.shape[1] - 1]]
    assert encoded.answers.tolist() == [tokenizer(" Mary").input_ids]
    assert encoded.foils.tolist() == [tokenizer(" John").input_ids]
    assert "".join(encoded.clean_labels[0]) == CLEAN
    assert "".join(encoded.corrupted_labels[0]) == CORRUPTED
    assert encoded.first_difference == encoded.clean_labels[0].index(",") + 1
    assert encoded.notes == ()
    assert not encoded.padded


def test_several_tokens_are_two_rows():
    encoded = Contrast([1, 2, 3], [1, 4, 3], [5, 6, 7], [8]).encode(None)
    assert encoded.clean.tolist() == [[1, 2, 3, 5, 6], [1, 2, 3, 0, 0]]
    assert encoded.corrupted.tolist() == [[1, 4, 3, 5, 6], [1, 4, 3, 0, 0]]
    assert encoded.real.tolist() == [[True] * 5, [True] * 3 + [False] * 2]
    assert encoded.example.tolist() == [0, 0]
    assert encoded.reads.tolist() == [[2, 3, 4], [2, 2, 2]]
    assert encoded.answers[encoded.answers_real].tolist() == [5, 6, 7]
    assert encoded.foils[encoded.foils_real].tolist() == [8]
    assert encoded.answers_real.tolist() == [[True] * 3, [False] * 3]
    assert encoded.clean_labels[1] == ("1", "2", "3", "", "")


def test_left_padding_keeps_positions():
    batch = ContrastBatch.of([Contrast([1, 2, 3], [1, 4, 3], 5, 6), Contrast([7], [8], 9, 10)])
    encoded = batch.encode(None, padding="left")
    assert encoded.clean.tolist() == [[1, 2, 3], [0, 0, 7]]
    assert encoded.position_ids.tolist() == [[0, 1, 2], [0, 0, 0]]
    assert encoded.reads.tolist() == [[2], [2]]
    assert encoded.first_difference == 0
    assert batch.encode(None).reads.tolist() == [[2], [0]]
    assert batch.encode(None).first_difference == 0


IDS = st.integers(0, 30)


@st.composite
def parts_of_contrasts(draw):
    prompt = draw(st.lists(IDS, min_size=1, max_size=6))
    at = draw(st.integers(0, len(prompt) - 1))
    other = [*prompt[:at], prompt[at] + 31, *prompt[at + 1 :]]
    answer = draw(st.lists(IDS, min_size=1, max_size=3))
    foil = [answer[0] + 31, *draw(st.lists(IDS, max_size=2))]
    return prompt, other, answer, foil


@settings(max_examples=60, deadline=None)
@given(st.lists(parts_of_contrasts(), min_size=1, max_size=4), st.sampled_from(["left", "right"]))
def test_rows_read_back(parts, padding):
    some = [Contrast(*four) for four in parts]
    encoded = ContrastBatch.of(some).encode(None, padding=padding)
    for row, example in enumerate(encoded.example.tolist()):
        contrast, real = some[example], encoded.real[row]
        ids, other = encoded.clean[row][real].tolist(), encoded.corrupted[row][real].tolist()
        assert encoded.position_ids[row][real].tolist() == list(range(len(ids)))
        assert tuple(ids[: len(contrast.clean)]) == contrast.clean
        assert tuple(other[: len(contrast.corrupted)]) == contrast.corrupted
        assert ids[len(contrast.clean) :] == other[len(contrast.clean) :]
        for tokens, marks, wanted in (
            (encoded.answers, encoded.answers_real, contrast.answer),
            (encoded.foils, encoded.foils_real, contrast.foil),
        ):
            at, scored = encoded.reads[row][marks[row]].tolist(), tokens[row][marks[row]].tolist()
            assert tuple(scored) in ((), wanted)
            # What a read scores is what stands in the next column, as far as the row goes on.
            for column, token in list(zip(at, scored, strict=True))[:-1]:
                assert encoded.clean[row, column + 1] == token
            if scored:
                assert encoded.real[row, at[-1]]
                assert encoded.position_ids[row, at[0]] == len(contrast.clean) - 1
    for example, contrast in enumerate(some):
        mine = encoded.example == example
        for tokens, marks, wanted in (
            (encoded.answers, encoded.answers_real, contrast.answer),
            (encoded.foils, encoded.foils_real, contrast.foil),
        ):
            assert tuple(tokens[mine][marks[mine]].tolist()) == wanted
    shared = encoded.first_difference
    assert torch.equal(encoded.clean[:, :shared], encoded.corrupted[:, :shared])


@settings(max_examples=30, deadline=None)
@given(st.lists(parts_of_contrasts(), min_size=1, max_size=4))
def test_take_is_the_batch_of_those(parts):
    some = [Contrast(*four) for four in parts]
    whole = ContrastBatch.of(some).encode(None)
    part = whole.take([len(some) - 1, 0])
    alone = ContrastBatch.of([some[-1], some[0]]).encode(None)
    width, reads = alone.clean.shape[1], alone.reads.shape[1]
    assert part.example.tolist() == alone.example.tolist()
    assert part.clean[:, :width].tolist() == alone.clean.tolist()
    assert part.answers[:, :reads].tolist() == alone.answers.tolist()
    assert part.n_examples == 2
    assert part.first_difference == alone.first_difference


def test_to_moves_every_tensor():
    moved = IOI.encode(byte_level()).to("meta")
    assert {moved.clean.device.type, moved.foils_real.device.type} == {"meta"}
    assert moved.n_examples == 1


def test_ids_from_arrays_and_tensors():
    given = torch.tensor([1, 2]), np.array([1, 2]), [np.int64(1), np.int64(2)], [1, 2]
    assert [plain_ids(ids, "clean") for ids in given] == [(1, 2)] * 4
    assert (plain_ids(torch.tensor(4), "answer"), plain_ids(np.int64(5), "foil")) == (4, 5)
    assert hash(Contrast([1, 2], (1, 3), 4, 5)) == hash(Contrast((1, 2), [1, 3], 4, 5))


def test_json_round_trip():
    batch = ContrastBatch((IOI, Contrast([1, 2], [1, 3], 4, [5, 6])), name="two")
    assert ContrastBatch.from_json(batch.to_json()) == batch


def test_batch_is_a_sequence():
    batch = ContrastBatch.from_lists([CLEAN], [CORRUPTED], [" Mary"], [" John"])
    assert (len(batch), batch[0], list(batch)) == (1, IOI, [IOI])
    assert ContrastBatch.of(batch) is batch
    assert ContrastBatch.of(IOI).contrasts == (IOI,)
    with pytest.raises(TokenError, match=r"have 1, 2, 1, 1 entries"):
        ContrastBatch.from_lists([CLEAN], [CORRUPTED] * 2, [" Mary"], [" John"])


# Spaces, and how tokenizers treat them.


@pytest.mark.parametrize("make", [byte_level, sentencepiece])
def test_a_continuation_is_what_follows_in_running_text(make):
    tokenizer = make()
    prompt = "John gave a drink to"
    for text in (" Mary", " Mary and John", ", John"):
        joint = tokenizer(prompt + text).input_ids
        assert tuple(joint) == (
            *tokenizer(prompt).input_ids,
            *continuation_ids(text, tokenizer),
        )


def test_sentencepiece_space_is_not_doubled():
    tokenizer = sentencepiece()
    assert tokenizer("Mary", add_special_tokens=False).input_ids == list(
        continuation_ids(" Mary", tokenizer)
    )
    bare = continuation_ids("Mary", tokenizer)
    assert "▁" not in "".join(tokenizer.convert_ids_to_tokens(list(bare)))
    encoded = IOI.encode(tokenizer)
    assert encoded.clean_labels[0][:3] == ("<s>", " When", " Mary")
    assert len(encoded.clean) == 1


def test_prompt_begins_as_the_tokenizer_begins_it():
    tokenizer = sentencepiece()
    assert IOI.encode(tokenizer).clean[0, 0] == tokenizer.bos_token_id


def test_labels_of_parts_of_characters():
    tokenizer = byte_level()
    shown = labels(tokenizer, tokenizer(" é").input_ids)
    assert all(shown)
    assert not any("\ufffd" in one for one in shown)


def test_missing_space_is_a_note():
    tokenizer = byte_level()
    notes = Contrast(CLEAN, CORRUPTED, "Mary", " John").encode(tokenizer).notes
    assert len(notes) == 1
    assert "did you mean ' Mary'" in notes[0]
    quoted = [prompt + ' the "' for prompt in (CLEAN, CORRUPTED)]
    (of_length,) = Contrast(*quoted, "Mary", "John").encode(tokenizer).notes
    assert "did you mean" not in of_length
    notes = Contrast(CLEAN + " ", CORRUPTED + " ", "Mary", "John").encode(tokenizer).notes
    assert "ends in ' '" in notes[0]


# What is refused, and in what words.


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("", "a", " b", " c"), "clean prompt is empty"),
        (("a", [], " b", " c"), "corrupted prompt is empty"),
        (("a", "b", "", " c"), "answer is empty"),
        (("a", "b", " c", " c"), "Answer and foil are both ' c'"),
        (("a", "a", " b", " c"), "Clean and corrupted prompt are both 'a'"),
    ],
)
def test_refused_without_a_tokenizer(parts, words):
    with pytest.raises(TokenError, match=words):
        Contrast(*parts)


@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        (7, "clean", "prompt is the single number 7"),
        (["a", "b"], "clean", "several prompts are a ContrastBatch"),
        ([[1, 2]], "corrupted", "flat list"),
        (1.5, "answer", r"answer is 1\.5"),
        (True, "answer", "answer is True"),
    ],
)
def test_refused_as_a_part(value, name, words):
    with pytest.raises(TokenError, match=words):
        plain_ids(value, name)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (([1, 99999], [1, 2], 3, 4), "Id 99999 at place 1 of the clean prompt"),
        (([1, 2], [1, 3], -1, 4), "Id -1 at place 0 of the answer"),
        ((" Mary", [1, 2, 3], 3, 4), "The clean prompt is 1 tokens and the corrupted one 3"),
        ((" Mary", " John", [1, 2], [1]), "begins the other"),
    ],
)
def test_refused_with_a_tokenizer(parts, words):
    with pytest.raises((TokenError, AlignmentError), match=words):
        Contrast(*parts).encode(byte_level())


def test_no_tokenizer_for_a_string():
    with pytest.raises(TokenError, match="no tokenizer to read it"):
        IOI.encode(None)


def test_same_tokens_by_different_words():
    tokenizer = byte_level()
    mary = tokenizer(" Mary").input_ids
    with pytest.raises(TokenError, match="same tokens: ' Mary'"):
        Contrast(CLEAN, CORRUPTED, " Mary", mary).encode(tokenizer)
    with pytest.raises(TokenError, match="Clean and corrupted prompt are the same tokens"):
        Contrast(" Mary", mary, " a", " b").encode(tokenizer)


def test_unknown_words_and_closed_prompts():
    with pytest.raises(TokenError, match="does not know"):
        Contrast("When 日本", "When Mary", " Mary", " John").encode(sentencepiece())
    with pytest.raises(TokenError, match="closes the clean prompt"):
        Contrast(CLEAN, CORRUPTED, " Mary", " John").encode(closing())


def test_different_lengths_show_where_they_part():
    longer = CORRUPTED.replace(", Mary", ", the Mary")
    with pytest.raises(AlignmentError) as error:
        Contrast(CLEAN, longer, " Mary", " John").encode(byte_level())
    lines = str(error.value).splitlines()
    assert "clean prompt is 14 tokens and the corrupted one 15" in lines[0]
    assert "part at position 9" in lines[0]
    mark = lines[4].index("^")
    assert lines[1][mark] == "9"
    assert lines[2][mark:].startswith("' John'")
    assert lines[3][mark:].startswith("' the'")


def test_context_length_counts_the_continuation():
    one = Contrast([1, 2, 3], [1, 4, 3], [5, 6, 7], [8])
    assert one.encode(None, max_positions=5).clean.shape == (2, 5)
    with pytest.raises(ContextLengthError, match="takes 5 positions and the model reads 4"):
        one.encode(None, max_positions=4)


def test_vocabulary_of_the_model():
    with pytest.raises(TokenError, match="ids are 0 to 7"):
        Contrast([1, 2, 3], [1, 4, 3], 5, 8).encode(None, vocab_size=8)


def test_batch_errors_name_the_contrast():
    with pytest.raises(AlignmentError, match="Contrast 1 of the batch"):
        ContrastBatch.of([Contrast([1], [2], 3, 4), Contrast([1], [2, 3], 4, 5)]).encode(None)


def test_token_id():
    tokenizer = byte_level()
    assert token_id(tokenizer, " Mary") == tokenizer(" Mary").input_ids[0]
    assert token_id(None, 7) == 7
    with pytest.raises(TokenError, match=r"must be one token here, and is \d+: .*' Mary'"):
        token_id(tokenizer, " Maryy")


@pytest.mark.smol
@needs_smol
def test_smollm2_tokenizer():
    tokenizer = smol_tokenizer()
    encoded = IOI.encode(tokenizer, max_positions=8192, vocab_size=49152)
    assert encoded.clean.shape == (1, 14)
    assert encoded.first_difference == 9
    assert "".join(encoded.clean_labels[0]) == CLEAN
    denied = continuation_ids(" Denied", tokenizer)
    assert "".join(labels(tokenizer, denied)) == " Denied"
    assert len(Contrast(CLEAN, CORRUPTED, " Denied", " Approved").encode(tokenizer).clean) == (
        1 if len(denied) == len(continuation_ids(" Approved", tokenizer)) == 1 else 2
    )


def test_a_word_that_is_only_known_behind_a_space_says_so():
    inner = Tokenizer(models.WordLevel({"<unk>": 0, "Ġgo": 1, "ĠMary": 2}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    assert continuation_ids(" Mary", tokenizer) == (2,)
    with pytest.raises(TokenError, match="did you mean ' Mary', a single token"):
        continuation_ids("Mary", tokenizer)
    with pytest.raises(TokenError, match="Use other words"):
        continuation_ids("John", tokenizer)
