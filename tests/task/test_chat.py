"""Prompts in a chat template: one beginning token, no advice that breaks the template."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import pellucid
from pellucid import Contrast, TokenError
from tests.models.tokenizers import byte_level, needs_smol, smol_tokenizer

NAMES = "the capital of France Italy is Paris Rome briefly"
WORDS = ["<s>", "<unk>", "user", "assistant", "system", *NAMES.split(" ")]
TEMPLATE = (
    "{{ bos_token }} {% for m in messages %}{{ m['role'] }} {{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}assistant{% endif %}"
)


@pytest.fixture
def tokenizer():
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    made = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="<unk>")
    made.chat_template = TEMPLATE
    return made


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
    hf = LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS) + 9, num_hidden_layers=2, **sizes))
    for parameter in hf.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return pellucid.load(hf.eval(), tokenizer=tokenizer)


def test_a_chat_is_the_ids_that_the_template_means_with_one_beginning_token(model, tokenizer):
    asked = Contrast.chat(
        tokenizer, "the capital of France is", "the capital of Italy is", "Paris", "Rome"
    )
    meant = tokenizer.apply_chat_template(
        [{"role": "user", "content": "the capital of France is"}],
        add_generation_prompt=True,
        return_dict=False,
    )
    trace = pellucid.record(model, asked)
    assert trace.encoded.clean[0].tolist() == list(meant)
    assert trace.encoded.notes == ()
    with torch.no_grad():
        logits = model.module(torch.tensor([meant])).logits[0, -1]
    paris, rome = (WORDS.index(word) for word in ("Paris", "Rome"))
    assert trace.metric_clean.item() == pytest.approx(float(logits[paris] - logits[rome]), abs=1e-5)
    briefly = Contrast.chat(tokenizer, "of France", "of Italy", "Paris", "Rome", system="briefly")
    assert briefly.clean == "system briefly user of France assistant"


def test_two_beginning_tokens_are_noticed_on_each_prompt(tokenizer):
    one = Contrast("<s> of France", "<s> of Italy", "Paris", "Rome")
    notes = one.notes(tokenizer)
    assert [note.split(" prompt")[0] for note in notes] == ["The clean", "The corrupted"]
    assert all("reads two" in note for note in notes)
    assert not any("reads two" in n for n in Contrast("is", "of", "Paris", "Rome").notes(tokenizer))


def test_a_tokenizer_without_a_template_is_refused():
    for tokenizer in (None, byte_level()):
        with pytest.raises(TokenError, match="no chat template"):
            Contrast.chat(tokenizer, "France", "Italy", "Paris", "Rome")


def test_a_template_that_refuses_says_why(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('no system here') }}"
    with pytest.raises(TokenError, match="no system here"):
        Contrast.chat(tokenizer, "France", "Italy", "Paris", "Rome", system="briefly")


def test_ids_that_the_tokenizer_does_not_have_are_told_apart(model):
    beyond = range(len(WORDS), len(WORDS) + 9)
    lens = pellucid.logit_lens(model, "the capital of France is", top=len(WORDS) + 9)
    ids, names = lens.prompt.top_ids[-1][-1].tolist(), lens.prompt.top_tokens[-1][-1]
    named = dict(zip(ids, names, strict=True))
    assert [named[i] for i in beyond] == [f"<id {i}>" for i in beyond]
    assert pellucid.run.answers.spell(model, beyond[0]) == f"<id {beyond[0]}>"


@needs_smol
def test_smollm_is_given_no_advice_that_breaks_its_template():
    tokenizer = smol_tokenizer()
    asked = Contrast.chat(
        tokenizer, "The capital of France? One word.", "The capital of Italy? One word.",
        "Paris", "Rome",
    )  # fmt: skip
    assert asked.clean.endswith("<|im_start|>assistant\n")
    assert asked.notes(tokenizer) == []
