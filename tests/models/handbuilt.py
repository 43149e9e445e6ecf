"""Models whose circuit is known because it was built by hand."""

import torch

from pellucid import Contrast, ContrastBatch
from pellucid.model.tiny import TinyConfig, TinyTransformer

VOCAB, LENGTH, HEADS = 12, 24, 4
PREVIOUS_TOKEN, INDUCTION = "L0H1", "L1H2"
STRENGTH = 200.0
"""So large that softmax attends to one position only."""


def induction_model() -> TinyTransformer:
    """Two attention-only layers of four heads; two heads do induction, six write nothing.

    The stream has four parts: token, position, previous token, output. L0H1 attends by position to
    the token before and copies it into the third part; L1H2 attends to where the third part equals
    the present token and copies the token found there into the output, which is all that the
    logits read.
    """
    width = VOCAB + LENGTH + 2 * VOCAB
    config = TinyConfig(
        vocab_size=VOCAB,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        hidden_size=width,
        head_dim=LENGTH,
        d_mlp=0,
        max_position_embeddings=LENGTH,
        norm="none",
    )
    model = TinyTransformer(config).eval()
    token = slice(0, VOCAB)
    position = slice(VOCAB, VOCAB + LENGTH)
    previous = slice(VOCAB + LENGTH, 2 * VOCAB + LENGTH)
    output = slice(2 * VOCAB + LENGTH, width)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.weight[:, token] = torch.eye(VOCAB, dtype=torch.float64)
        model.position.weight[:, position] = torch.eye(LENGTH, dtype=torch.float64)
        model.lm_head.weight[:, output] = torch.eye(VOCAB, dtype=torch.float64)
        first, second = model.layers[0].attention, model.layers[1].attention
        rows = head_rows(1)
        # Query at position p asks for key p - 1.
        first.q_proj.weight[rows, position] = STRENGTH * torch.eye(LENGTH, dtype=torch.float64)
        first.k_proj.weight[rows, position] = torch.roll(
            torch.eye(LENGTH, dtype=torch.float64), 1, 0
        )
        copy(first, 1, source=token, target=previous)
        rows = head_rows(2)[:VOCAB]
        second.q_proj.weight[rows, token] = STRENGTH * torch.eye(VOCAB, dtype=torch.float64)
        second.k_proj.weight[rows, previous] = torch.eye(VOCAB, dtype=torch.float64)
        copy(second, 2, source=token, target=output)
    return model


def head_rows(head: int) -> list[int]:
    """Output features of one head's projection."""
    return list(range(head * LENGTH, (head + 1) * LENGTH))


def copy(attention, head: int, *, source: slice, target: slice) -> None:
    """Let a head move ``source`` to ``target`` of the stream."""
    rows = head_rows(head)[:VOCAB]
    eye = torch.eye(VOCAB, dtype=torch.float64)
    attention.v_proj.weight[rows, source] = eye
    attention.o_proj.weight[target, head * LENGTH : head * LENGTH + VOCAB] = eye


def induction_questions() -> ContrastBatch:
    """ "... A B ... A" asks for B; in the corrupted prompt another token followed A."""
    return ContrastBatch(
        (
            Contrast([1, 5, 7, 2, 9, 5], [1, 5, 8, 2, 9, 5], 7, 8),
            Contrast([3, 10, 4, 6, 0, 10], [3, 10, 11, 6, 0, 10], 4, 11),
            Contrast([2, 9, 1, 4, 3, 9], [2, 9, 6, 4, 3, 9], 1, 6),
        )
    )
