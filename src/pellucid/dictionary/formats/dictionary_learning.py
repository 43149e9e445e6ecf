"""dictionary_learning: ``config.json`` with a ``trainer`` beside ``ae.pt``.

``encoder.weight [latent d]`` and ``decoder.weight [d latent]``, or ``W_enc [d latent]`` and ``W_dec
[latent d]``; the bias of the decoder is ``bias``, ``b_dec``, ``decoder_bias`` or ``decoder.bias``.
"""

from typing import Any

import torch
from torch import Tensor

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.layout import Layout, places
from pellucid.errors import DictionaryError
from pellucid.options import DictionaryActivation

CLASSES: dict[str, DictionaryActivation] = {
    "AutoEncoder": "relu",
    "AutoEncoderNew": "relu",
    "AutoEncoderTopK": "topk",
    "BatchTopKSAE": "batchtopk",
    "MatryoshkaBatchTopKSAE": "batchtopk",
    "JumpReluAutoEncoder": "jumprelu",
    "GatedAutoEncoder": "gated",
}
_BIAS = ("b_dec", "bias", "decoder_bias", "decoder.bias")
_UNCENTRED = ("AutoEncoderNew", "JumpReluAutoEncoder")


def _fits(content: Content) -> bool:
    weights = content.has("encoder.weight") or content.has("W_enc")
    return content.ending == ".pt" and weights and "trainer" in content.settings("config.json")


def _read(content: Content) -> Dictionary:
    trainer: dict[str, Any] = content.settings("config.json")["trainer"]
    name = str(trainer.get("dict_class"))
    if name not in CLASSES:
        raise DictionaryError(
            f"config.json: dict_class={name!r} is not known.",
            found=(name,),
            expected=tuple(CLASSES),
        )
    activation = CLASSES[name]
    layer = trainer.get("layer", content.layer)
    groups = content.maybe("group_sizes")
    k = content.maybe("k")
    return Dictionary(
        **_weights(content, activation, name),
        activation=activation,
        k=int(k) if k is not None else trainer.get("k"),
        prefixes=() if groups is None else tuple(groups.cumsum(0).tolist()),
        centred=name not in _UNCENTRED,
        **places(content, f"blocks.{layer}.hook_resid_post" if layer is not None else ""),
        model=str(trainer.get("lm_name") or ""),
    )


def _weights(content: Content, activation: DictionaryActivation, name: str) -> dict[str, Any]:
    turned = content.has("encoder.weight")
    W_enc = content.tensor("encoder.weight" if turned else "W_enc", turned=turned)
    W_dec = content.tensor("decoder.weight" if turned else "W_dec", turned=turned)
    bias = next(one for one in _BIAS if content.has(one))
    found: dict[str, Tensor | None] = {
        "W_enc": W_enc,
        "W_dec": W_dec,
        "b_dec": content.tensor(bias),
    }
    n = W_enc.shape[1]
    if activation == "gated":
        gate, magnitude = content.tensor("gate_bias"), content.tensor("mag_bias")
        found |= {"b_enc": gate, "b_mag": magnitude, "r_mag": content.tensor("r_mag")}
    else:
        found["b_enc"] = content.tensor("encoder.bias" if turned else "b_enc")
    if activation in ("batchtopk", "jumprelu"):
        threshold = content.tensor("threshold")
        found["threshold"] = threshold.expand(n).clone() if threshold.ndim == 0 else threshold
    if name in ("GatedAutoEncoder", "JumpReluAutoEncoder"):
        # Their latents are in units of the decoder's norm, which these weights are put into.
        norm = W_dec.norm(dim=1)
        found["W_dec"] = W_dec / norm[:, None]
        scaled = ("W_enc", "b_enc", "b_mag", "threshold")
        found |= {key: value * norm for key in scaled if (value := found.get(key)) is not None}
    return {key: None if one is None else one.to(torch.promote_types(one.dtype, W_enc.dtype))
            for key, one in found.items()}  # fmt: skip


LAYOUT = Layout(
    "dictionary_learning",
    "config.json with a trainer beside encoder.weight or W_enc in ae.pt (dictionary_learning)",
    _fits,
    _read,
)
