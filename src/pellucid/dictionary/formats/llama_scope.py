"""Llama Scope: ``hyperparams.json`` and ``checkpoints/final.safetensors``; jumprelu.

Its weights assume inputs scaled by f = sqrt(d) / (mean norm of the data), and its one threshold is
for latents of unscaled inputs: f goes into the weights and the threshold.
"""

import torch

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.layout import Layout, places
from pellucid.dictionary.normalise import rms_factor, scaled
from pellucid.errors import DictionaryError

_FILE = "hyperparams.json"


def _fits(content: Content) -> bool:
    return content.has("encoder.weight", "decoder.weight") and bool(content.settings(_FILE))


def _read(content: Content) -> Dictionary:
    said = content.settings(_FILE)
    try:
        mean_norm = float(said["dataset_average_activation_norm"]["in"])
        level = float(said["jump_relu_threshold"])
    except (KeyError, TypeError, ValueError) as error:
        raise DictionaryError(
            f"{_FILE} should say dataset_average_activation_norm.in and jump_relu_threshold, "
            f"without which the weights cannot be used. It says {', '.join(sorted(said))}."
        ) from error
    W_enc = content.tensor("encoder.weight", turned=True)
    factor = rms_factor(W_enc.shape[0], mean_norm)
    weights = scaled(
        {
            "W_enc": W_enc,
            "W_dec": content.tensor("decoder.weight", turned=True),
            "b_enc": content.tensor("encoder.bias"),
            "b_dec": content.tensor("decoder.bias"),
        },
        factor,
    )
    hook = str(said.get("hook_point_in", ""))
    out = str(said.get("hook_point_out", hook))
    return Dictionary(
        **weights,
        threshold=torch.full_like(weights["b_enc"], level * factor),
        activation="jumprelu",
        **(places(content, hook) if out == hook else places(content, hook, out)),
        model=str(said.get("model_name") or "meta-llama/Llama-3.1-8B"),
        notes=(f"Weights and threshold were scaled for inputs of mean norm {mean_norm:g}.",),
    )


LAYOUT = Layout(
    "llama_scope",
    "hyperparams.json beside encoder.weight and decoder.weight in final.safetensors (Llama Scope)",
    _fits,
    _read,
)
