"""A result as one JSON document, which the page draws and ``schema.json`` describes.

It is what ``to_json`` writes, but for tensors, which are base64 of their little-endian bytes with
dtype and shape: a tenth of the text, exact, and read at once. Beside the fields it carries what is
computed from them (``derived``) and what can be said about them (``story``), so that no reader has
to compute either again, and the same for every result inside it that can be shown by itself
(``parts``).
"""

from base64 import b64encode
from typing import Any

import torch
from torch import Tensor

from pellucid.results.prose import Quantity, Section, Sentence
from pellucid.results.result import SCHEMA, Result, to_plain

WRITTEN_AS = {torch.float64: torch.float64, torch.bool: torch.uint8}
"""Other floats are written as float32, other integers as int32."""


def document(result: Result) -> dict[str, Any]:
    """The whole result, ready for ``json.dumps``."""
    return {
        "schema": SCHEMA,
        **to_plain(result, compact),
        **beside_fields(result),
        "parts": [beside_fields(part) for part in result.parts()],
    }


def beside_fields(result: Result) -> dict[str, Any]:
    """What is computed from the fields, and what can be said about them."""
    return {
        "derived": to_plain(result.derived(), compact)["mapping"],
        "story": [_told(one) for one in result.story()],
    }


def _told(one: Section) -> dict[str, Any]:
    """A section as JSON values."""
    return {"title": one.title, "sentences": [_pieces(sentence) for sentence in one.sentences]}


def _pieces(sentence: Sentence) -> list[Any]:
    return [
        to_plain(vars(p), compact)["mapping"] if isinstance(p, Quantity) else p for p in sentence
    ]


def compact(tensor: Tensor) -> dict[str, Any]:
    """A tensor as base64 text.

    **Raises** ``OverflowError`` for integers that need more than 32 bits.
    """
    usual = torch.float32 if tensor.is_floating_point() else torch.int32
    dtype = WRITTEN_AS.get(tensor.dtype, usual)
    values = tensor.detach().cpu().contiguous()
    written = values.to(dtype)
    if not tensor.is_floating_point() and not bool((written.to(values.dtype) == values).all()):
        raise OverflowError("an integer tensor does not fit into 32 bits")
    data = written.numpy().astype(written.numpy().dtype.newbyteorder("<")).tobytes()
    return {
        "base64": b64encode(data).decode("ascii"),
        "dtype": str(dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
    }
