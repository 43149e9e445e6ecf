"""A question as the tensors that a model runs on."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch

from pellucid.model.model import Model, opened
from pellucid.model.proof.apart import demand_sums
from pellucid.run.prompts import read_prompt
from pellucid.task.align import check_length
from pellucid.task.contrast import Contrast, ContrastBatch, Contrasts
from pellucid.task.encode import Encoded, Padding, Resolved, pack
from pellucid.task.tokens import continuation_ids, labels


def encode_contrast(model: Model, contrast: Contrasts, *, padding: Padding = "right") -> Encoded:
    """The question as token tensors on the model's device, validated against the model.

    **Raises** ``TaskError`` for a model that is not opened and a question that is not well posed.
    """
    opened(model)
    # Tensors made in inference mode could not be saved for the backward.
    with torch.inference_mode(False):
        encoded = ContrastBatch.of(contrast).encode(
            model.tokenizer,
            padding=padding,
            max_positions=model.max_positions,
            vocab_size=model.anatomy.d_vocab,
        )
        return encoded.to(model.device)


def encode_plain(
    model: Model, prompt: str | Sequence[int], answer: str | int | Sequence[int]
) -> Encoded:
    """One prompt and an answer, without a foil: clean and corrupted prompt are the same.

    **Raises** as ``encode_contrast``.
    """
    clean = read_prompt(opened(model), prompt)
    tokenizer = model.tokenizer
    scored = continuation_ids(answer, tokenizer, name="answer", vocab_size=model.anatomy.d_vocab)
    check_length(clean, scored, (), model.max_positions)
    used = sorted({*clean, *scored})
    one = Resolved(clean=clean, corrupted=clean, answer=scored, foil=())
    packed = pack([one], dict(zip(used, labels(tokenizer, used), strict=True)))
    # Nothing is shared with another prompt, whose keys and values could be used again.
    return replace(packed, first_difference=0).to(model.device)


def demand_sums_of_parts(model: Model, encoded: Encoded) -> None:
    """Hooks of others leave what the model's parts compute on both prompts of a question.

    What is read off the weights, or summed over parts, rests on it.

    **Cost** 4 forwards in 2 calls, uncounted, where others have hooks on the model; else none.
    **Raises** ``HookError`` naming the hooks.
    """
    prompts = torch.cat([encoded.clean, encoded.corrupted])
    demand_sums(model.module, model.anatomy, prompts, encoded.real.repeat(2, 1))


def asked_by(model: Model, contrasts: Iterable[Contrast]) -> str:
    """``digest_of`` what is asked, as the model's tokenizer reads it; empty for no question."""
    found = [contrast.resolve(model.tokenizer) for contrast in contrasts]
    return digest_of(found) if found else ""


def digest_of(asked: Iterable[Resolved]) -> str:
    """SHA-256 over the ids of a question: the same for text and for its ids, padded or not."""
    parts = [(one.clean, one.corrupted, one.answer, one.foil) for one in asked]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
