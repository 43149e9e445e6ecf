"""Induction with a backup head that is held back while the primary head writes."""

from typing import Literal

import torch

from pellucid import Contrast, ContrastBatch
from pellucid.model.tiny import TinyConfig, TinyTransformer
from tests.models.handbuilt import HEADS, LENGTH, VOCAB, copy, head_rows

PREVIOUS_TOKEN, PRIMARY, BACKUP, SECOND = "L0H1", "L1H2", "L2H1", "L3H3"
STRENGTH = 100.0
"""Softmax attends elsewhere by 1e-9; were it exactly 0, no write to a query could be seen."""
START = 0
"""The first token of every prompt, which no head copies."""


def gated_model(
    gate: Literal["presence", "content"], backups: Literal[0, 1, 2] = 1
) -> TinyTransformer:
    """Attention-only layers of four heads; those not named write nothing.

    The primary is an induction head, and so is each backup in a later layer; but a backup is held
    back by what the heads before it have written:

    ``presence``  they raise a flag wherever they attend to, and under it the backup attends to the
                  first position, where there is nothing to copy
    ``content``   the backup turns away from the token that is in the output already
    """
    flag = VOCAB + LENGTH + 2 * VOCAB
    width = flag + 1
    config = TinyConfig(
        vocab_size=VOCAB,
        num_hidden_layers=2 + backups,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        hidden_size=width,
        head_dim=LENGTH,
        d_mlp=0,
        max_position_embeddings=LENGTH,
        norm="none",
    )
    model = TinyTransformer(config).eval()
    token, position = slice(0, VOCAB), slice(VOCAB, VOCAB + LENGTH)
    previous = slice(VOCAB + LENGTH, 2 * VOCAB + LENGTH)
    output = slice(2 * VOCAB + LENGTH, flag)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.weight[:, token] = torch.eye(VOCAB, dtype=torch.float64)
        model.position.weight[:, position] = torch.eye(LENGTH, dtype=torch.float64)
        model.lm_head.weight[:, output] = torch.eye(VOCAB, dtype=torch.float64)
        first = model.layers[0].attention
        rows = head_rows(1)
        first.q_proj.weight[rows, position] = STRENGTH * torch.eye(LENGTH, dtype=torch.float64)
        first.k_proj.weight[rows, position] = torch.eye(LENGTH, dtype=torch.float64).roll(1, 0)
        copy(first, 1, source=token, target=previous)
        for layer, head in [(1, 2), (2, 1), (3, 3)][: 1 + backups]:
            attention = model.layers[layer].attention
            induct(attention, head, token, previous, output)
            raise_flag(attention, head, position, flag)
            if layer > 1 and gate == "presence":
                # Twice the score of a match, at the first position.
                attention.q_proj.weight[head_rows(head)[VOCAB], flag] = 2 * STRENGTH
                attention.k_proj.weight[head_rows(head)[VOCAB], VOCAB] = 1.0
            elif layer > 1:
                rows = head_rows(head)[VOCAB : 2 * VOCAB]
                eye = torch.eye(VOCAB, dtype=torch.float64)
                attention.q_proj.weight[rows, output] = -2 * STRENGTH * eye
                attention.k_proj.weight[rows, token] = eye
    return model


def induct(attention, head: int, token: slice, previous: slice, output: slice) -> None:
    """Let a head attend to where the token before is the present one, and copy what is there."""
    rows = head_rows(head)[:VOCAB]
    attention.q_proj.weight[rows, token] = STRENGTH * torch.eye(VOCAB, dtype=torch.float64)
    attention.k_proj.weight[rows, previous] = torch.eye(VOCAB, dtype=torch.float64)
    copy(attention, head, source=token, target=output)
    attention.v_proj.weight[rows[START], START] = 0.0


def raise_flag(attention, head: int, position: slice, flag: int) -> None:
    """Let a head add one to the flag, unless it attends to the first position."""
    attention.v_proj.weight[head_rows(head)[VOCAB], position] = 1.0
    attention.v_proj.weight[head_rows(head)[VOCAB], position.start] = 0.0
    attention.o_proj.weight[flag, head * LENGTH + VOCAB] = 1.0


def gated_questions() -> ContrastBatch:
    """ "start ... A B ... A" asks for B; in the corrupted prompt another token followed A."""
    return ContrastBatch(
        (
            Contrast([START, 1, 5, 7, 2, 9, 5], [START, 1, 5, 8, 2, 9, 5], 7, 8),
            Contrast([START, 3, 10, 4, 6, 1, 10], [START, 3, 10, 11, 6, 1, 10], 4, 11),
            Contrast([START, 2, 9, 1, 4, 3, 9], [START, 2, 9, 6, 4, 3, 9], 1, 6),
        )
    )
