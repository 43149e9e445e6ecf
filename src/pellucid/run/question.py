"""A question as the tensors that a model runs on."""

import torch

from pellucid.model.model import Model, opened
from pellucid.task.contrast import ContrastBatch, Contrasts
from pellucid.task.encode import Encoded, Padding


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
