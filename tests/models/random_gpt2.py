"""A GPT-2 with random weights, as a folder that the command line and the app can open."""

from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.models.tokenizers import byte_level


def write_random_gpt2(place: Path, **others: int) -> Path:
    """Three layers of four heads, and room for 32 tokens, unless ``others`` says otherwise."""
    tokenizer = byte_level()
    sizes = {"n_positions": 32, "n_embd": 32, "n_layer": 3, "n_head": 4, **others}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=len(tokenizer), **sizes, bos_token_id=0, eos_token_id=0)
        model = GPT2LMHeadModel(config)
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place
