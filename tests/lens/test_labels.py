"""Labels put together spell the prompt; what is no whole character is shown as its bytes."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from pellucid.lens.labels import token_labels
from pellucid.task.tokens import labels
from tests.models.tokenizers import byte_level, needs_smol, sentencepiece, smol_tokenizer

PROMPT = "When Mary and John went to the store, John gave a drink to"
EMOJI = "a great 😀 friend"


def with_bytes() -> PreTrainedTokenizerFast:
    """Llama-2's kind, with single bytes for characters that have no piece of their own."""
    pieces = ["<unk>", "<s>", "▁", "a", "b", "▁a", *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    inner = Tokenizer(
        models.BPE(vocabulary, [("▁", "a")], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    inner.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", bos_token="<s>")


def labelled(tokenizer, text: str) -> tuple[str, ...]:
    return token_labels(tokenizer, tokenizer(text)["input_ids"])


def from_bytes(labels: tuple[str, ...]) -> str:
    """Text whose bytes are those of the labels, escapes undone."""
    return (
        "".join(labels)
        .encode("latin-1", "backslashreplace")
        .decode("unicode_escape")
        .encode("latin-1")
        .decode("utf-8")
    )


@pytest.mark.parametrize("text", [PROMPT, " two  spaces", "lines\n\nof text", "a"])
def test_byte_level_labels_spell_the_prompt(text):
    assert "".join(labelled(byte_level(), text)) == text


def test_byte_level_labels_of_accents_spell_the_prompt_in_bytes():
    labels = labelled(byte_level(), "a café")
    assert labels[-2:] == ("\\xc3", "\\xa9")


def test_sentencepiece_labels_spell_the_prompt_behind_its_bos():
    bos, *labels = labelled(sentencepiece(), PROMPT)
    assert bos == "<s>"
    assert "".join(labels) == PROMPT
    assert labels[:2] == ["When", " Mary"]


@pytest.mark.parametrize("tokenizer", [byte_level(), with_bytes()], ids=["byte-level", "pieces"])
def test_an_emoji_of_several_tokens_is_shown_as_its_bytes(tokenizer):
    text = "a 😀 a"
    labels = labelled(tokenizer, text)
    assert "".join(labels) == "a \\xf0\\x9f\\x98\\x80 a"
    assert from_bytes(labels) == text


def test_an_unfinished_character_is_shown_as_its_bytes():
    tokenizer = byte_level()
    ids = tokenizer("a 😀")["input_ids"]
    assert token_labels(tokenizer, ids[:-1])[-1] == "\\x98"
    assert len(token_labels(tokenizer, ids[:-1])) == len(ids) - 1


def test_a_replacement_character_in_the_prompt_stays_one():
    text = "a \ufffd b"
    labels = labelled(byte_level(), text)
    assert from_bytes(labels) == text


def test_without_a_tokenizer_labels_are_numbers():
    assert token_labels(None, [3, 14]) == ("3", "14")


@needs_smol
@pytest.mark.parametrize("text", [PROMPT, "def f(x):\n    return x", "naïve Ωmega 中文"])
def test_smollm2_labels_spell_the_prompt(text):
    labels = labelled(smol_tokenizer(), text)
    assert len(labels) == len(smol_tokenizer()(text)["input_ids"])
    assert "".join(labels) == text or "\\x" in "".join(labels)


@needs_smol
def test_smollm2_s_emoji_is_bytes_and_its_neighbours_are_text():
    labels = labelled(smol_tokenizer(), EMOJI)
    assert labels[:2] == ("a", " great")
    assert labels[-1] == " friend"
    assert "".join(labels[2:-1]) == " \\xf0\\x9f\\x98\\x80"


@pytest.mark.parametrize("tokenizer", [byte_level(), with_bytes()])
def test_a_token_alone_that_is_no_character_is_shown_as_its_bytes(tokenizer):
    ids = tokenizer("😀", add_special_tokens=False)["input_ids"][-4:]
    assert labels(tokenizer, ids) == ("\\xf0", "\\x9f", "\\x98", "\\x80")
