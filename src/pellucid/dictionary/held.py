"""A dictionary that somebody holds: an object of sae-lens, dictionary_learning, or of one's own.

Its weights are found by their names and shapes; what it does with them is found by trying: the
reading is taken under which encode and decode give what the object's own do on random inputs.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.dictionary.dictionary import Dictionary
from pellucid.errors import DictionaryError

_ENCODERS = ("W_enc", "encoder.weight")
_DECODERS = ("W_dec", "decoder.weight")
_OUT_BIASES = ("b_dec", "bias", "decoder_bias", "decoder.bias")
_IN_BIASES = ("b_enc", "encoder.bias", "b_gate", "gate_bias")
_TRIED, _CLOSE = 64, 1e-4


def held_dictionary(held: Any, *, hook_name: str | None = None) -> Dictionary:
    """The weights of ``held`` as a ``Dictionary``, which computes what it does.

    **Raises** ``DictionaryError`` for an object without encode and decode, or one that computes
    something else than the activations that there are.
    """
    if not (callable(getattr(held, "encode", None)) and callable(getattr(held, "decode", None))):
        raise DictionaryError(
            f"A {type(held).__name__} has no encode() and decode(). Give a path, a published name, "
            "or an object that has both."
        )
    tensors = _tensors(held)
    given = _given(held, hook_name)
    inputs, latents, outputs = _tried(held, tensors)
    for found in _readings(held, tensors, given):
        if _same(found.encode(inputs), latents) and _same(found.decode(latents, inputs), outputs):
            return found
    raise DictionaryError(
        f"What this {type(held).__name__} computes of its tensors {', '.join(tensors)} is none of "
        "relu, topk, batchtopk, jumprelu and gated. Export it in a format that says what it does.",
        found=tuple(tensors),
    )


def _tensors(held: Any) -> dict[str, Tensor]:
    if isinstance(held, nn.Module):
        found = held.state_dict()
    else:
        found = {name: value for name, value in vars(held).items() if isinstance(value, Tensor)}
    if not any(name in found for name in _ENCODERS) or not any(name in found for name in _DECODERS):
        raise DictionaryError(
            f"A {type(held).__name__} has the tensors {', '.join(found) or '(none)'}.",
            found=tuple(found),
            expected=(*_ENCODERS, *_DECODERS),
        )
    return {name: value.detach().cpu() for name, value in found.items()}


def _given(held: Any, hook_name: str | None) -> dict[str, Any]:
    """What the object says of the place that it is made for."""
    cfg = getattr(held, "cfg", None)
    meta = getattr(cfg, "metadata", cfg)
    hook = hook_name or getattr(meta, "hook_name", None) or ""
    out = getattr(meta, "hook_name_out", None)
    return {
        "hook_in": str(hook),
        "hooks_out": (str(out or hook),),
        "model": str(getattr(meta, "model_name", None) or ""),
        "source": f"{type(held).__module__}.{type(held).__qualname__}",
        "format": "object",
    }


def _tried(held: Any, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Random inputs, and what the object makes of them."""
    W_enc = _first(tensors, _ENCODERS)
    n = max(W_enc.shape)
    for name in (*_IN_BIASES, "mag_bias", "b_mag"):
        n = len(tensors[name]) if name in tensors else n
    width = W_enc.shape[0] if W_enc.shape[1] == n else W_enc.shape[1]
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(_TRIED, width, generator=generator).to(W_enc.dtype)
    inputs *= torch.linspace(0.5, 8, _TRIED, dtype=inputs.dtype)[:, None]
    device = next(iter(held.parameters())).device if isinstance(held, nn.Module) else "cpu"
    try:
        with torch.no_grad():
            latents = held.encode(inputs.to(device))
            if not isinstance(latents, Tensor) and hasattr(latents, "top_indices"):
                dense = inputs.new_zeros(_TRIED, n)
                latents = dense.scatter_(1, latents.top_indices, latents.top_acts)
            outputs = held.decode(latents)
    except Exception as error:
        raise DictionaryError(
            f"encode and decode of this {type(held).__name__} cannot be tried on [{_TRIED} {width}]"
            f": {type(error).__name__}: {error}"
        ) from error
    dense = latents.to_dense() if latents.is_sparse else latents
    return inputs, dense.cpu(), outputs.cpu()


def _readings(held: Any, tensors: dict[str, Tensor], given: dict[str, Any]) -> Iterator[Dictionary]:
    """Every way to read the tensors, the likelier first."""
    W_dec, b_dec = _first(tensors, _DECODERS), _first(tensors, _OUT_BIASES)
    W_enc, b_enc = _first(tensors, _ENCODERS), _first(tensors, _IN_BIASES)
    n, width = len(b_enc), len(b_dec)
    if W_enc.shape[1] != n or "encoder.weight" in tensors:
        W_enc = W_enc.T.contiguous()
    if W_dec.shape[0] != n or W_dec.shape[1] != width or "decoder.weight" in tensors:
        W_dec = W_dec.T.contiguous()
    weights = {"W_enc": W_enc, "b_enc": b_enc, "W_dec": W_dec, "b_dec": b_dec}
    k = getattr(getattr(held, "cfg", held), "k", None)
    for centred in (True, False) if W_enc.shape[0] == width else (False,):
        base = {**weights, **given, "centred": centred}
        if "threshold" in tensors and tensors["threshold"].numel() in (1, n):
            threshold = tensors["threshold"].to(W_enc.dtype).expand(n).clone()
            yield from _both(Dictionary(**base, threshold=threshold, activation="jumprelu"))
        if k is not None:
            yield Dictionary(**base, activation="topk", k=int(k))
        r_mag = tensors.get("r_mag")
        b_mag = tensors.get("b_mag", tensors.get("mag_bias"))
        if r_mag is not None and b_mag is not None:
            yield from _both(Dictionary(**base, r_mag=r_mag, b_mag=b_mag, activation="gated"))
        yield from _both(Dictionary(**base, activation="relu"))


def _both(found: Dictionary) -> Iterator[Dictionary]:
    """With its decoder as it is, and with latents in units of the decoder's norm."""
    yield found
    norm = found.W_dec.norm(dim=1)
    scaled = ("W_enc", "b_enc", "b_mag", "threshold")
    more = {name: v * norm for name in scaled if (v := getattr(found, name)) is not None}
    yield replace(found, W_dec=found.W_dec / norm[:, None], **more)


def _first(tensors: dict[str, Tensor], names: tuple[str, ...]) -> Tensor:
    found = next((tensors[name] for name in names if name in tensors), None)
    if found is None:
        raise DictionaryError(
            f"None of the tensors {', '.join(tensors)} is a {' or '.join(names)}.",
            found=tuple(tensors),
            expected=names,
        )
    return found


def _same(one: Tensor, two: Tensor) -> bool:
    if one.shape != two.shape:
        return False
    far = (one.double() - two.double()).abs().max()
    return bool(far <= _CLOSE * two.double().abs().max().clamp_min(1e-12))
