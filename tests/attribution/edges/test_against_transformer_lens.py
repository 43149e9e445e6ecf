"""Edge attribution against TransformerLens 4, an independent implementation (optional).

TransformerLens takes the gradient on the corrupted run and moves towards the clean one, so its
score of an edge is minus ours with the two prompts exchanged.
"""

import copy

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from pellucid import Contrast, Model, attribute_edges

pytestmark = [
    pytest.mark.optional,
    # The other library's own warnings are its own.
    pytest.mark.filterwarnings("ignore"),
]
CLEAN, CORRUPTED = [3, 17, 11, 42, 9, 4, 8], [3, 17, 25, 42, 9, 4, 8]
ANSWER, FOIL = 10, 20


def gpt2():
    config = GPT2Config(
        n_embd=48, n_layer=3, n_head=4, vocab_size=60, n_positions=32,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


def llama():
    config = LlamaConfig(
        hidden_size=48, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=4, vocab_size=60, max_position_embeddings=32,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def theirs(module, folder):
    """Scores by (sender, slot), positions added up; the bridge reads its settings from a folder."""
    bridges = pytest.importorskip("transformer_lens.model_bridge")
    patching = pytest.importorskip("transformer_lens.tools.analysis.attribution_patching")
    module.save_pretrained(folder)
    bridge = bridges.TransformerBridge.boot_transformers(
        str(folder), hf_model=module, tokenizer=tokenizer(folder)
    ).eval()
    result = patching.attribution_patch(
        bridge,
        torch.tensor([CLEAN]),
        torch.tensor([CORRUPTED]),
        lambda logits: logits[0, -1, ANSWER] - logits[0, -1, FOIL],
        patching.EdgeAttributionConfig(granularity="edge"),
    )
    found: dict[tuple[str, str], float] = {}
    for (writer, reader), score in result.edge_scores.items():
        pair = (name_of(writer), name_of(reader))
        found[pair] = found.get(pair, 0.0) + float(score)
    return found


def tokenizer(folder):
    """One word an id, from files, for the bridge does not go without."""
    words = Tokenizer(WordLevel({f"w{i}": i for i in range(60)}, unk_token="w0"))
    PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="w0", eos_token="w0", pad_token="w0"
    ).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def name_of(node) -> str:
    """Our name of one of their nodes."""
    if node.kind in ("embed", "logits"):
        return node.kind
    if node.kind in ("mlp_out", "mlp_in"):
        return f"M{node.layer}"
    if node.kind == "attn_head_out":
        return f"L{node.layer}H{node.head}"
    kind = node.kind[0]
    return f"L{node.layer}{'H' if kind == 'q' else 'KV'}{node.head}.{kind}"


@pytest.mark.parametrize("made", [gpt2, llama], ids=["gpt2", "llama"])
def test_every_edge_agrees_to_a_ten_thousandth(made, tmp_path):
    torch.manual_seed(0)
    module = made()
    for parameter in module.eval().parameters():  # weights large enough for attention to move
        parameter.data.mul_(4).add_(0.02 * torch.randn_like(parameter))
    ours = attribute_edges(
        Model.build(copy.deepcopy(module)),
        Contrast(CORRUPTED, CLEAN, ANSWER, FOIL),
        method="eap",
    )
    frame = ours.to_frame().set_index(["sender", "slot"])["estimate"]
    reference = theirs(module, tmp_path)
    assert set(reference) == set(frame.index)
    largest = max(abs(score) for score in reference.values())
    worst = max(abs(-frame[pair] - score) for pair, score in reference.items())
    assert worst < 1e-4 * max(largest, 1.0)
