"""SAELens: ``cfg.json`` beside ``sae_weights.safetensors``; folders of early versions too.

``W_enc [d_in latent]``, ``W_dec [latent d_out]``, ``b_enc``, ``b_dec``, ``threshold``; gated
``b_gate b_mag r_mag``; ``W_skip [d_out d_in]``. Early folders say ``hook_point`` and no
``architecture``.
"""

from typing import Any

import torch
from torch import Tensor

from pellucid.dictionary.content import Content
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.layout import Layout, places
from pellucid.errors import DictionaryError
from pellucid.options import DictionaryActivation, InputNorm

CFG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
ACTIVATIONS: dict[str, DictionaryActivation] = {
    "standard": "relu", "topk": "topk", "jumprelu": "jumprelu", "gated": "gated",
    "batchtopk": "jumprelu", "matryoshka_batchtopk": "jumprelu",
    "transcoder": "relu", "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu", "jumprelu_skip_transcoder": "jumprelu",
}  # fmt: skip
"""By architecture; SAELens saves batchtopk with its threshold, as jumprelu."""
NORMS: dict[str, InputNorm] = {
    "none": "none",
    "expected_average_only_in": "none",
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "unit",
}
UNFOLDED = (
    "cfg.json says normalize_activations='expected_average_only_in': the weights may be for inputs "
    "scaled to the norm sqrt(d_in) on average. SAELens scales nothing either when it runs them."
)


def _fits(content: Content) -> bool:
    return content.has("W_enc", "W_dec", "b_dec") and "d_in" in content.settings(CFG)


def _read(content: Content) -> Dictionary:
    cfg = content.settings(CFG)
    meta = {**cfg, **cfg.get("metadata", {})}
    kwargs = cfg.get("activation_fn_kwargs") or {}
    architecture = cfg.get("architecture", "standard")
    k = cfg.get("k", kwargs.get("k"))
    early = cfg.get("activation_fn", cfg.get("activation_fn_str"))
    if architecture == "standard" and early == "topk" and k is not None:
        architecture = "topk"
    if architecture not in ACTIVATIONS:
        raise DictionaryError(
            f"{content.folder / CFG}: architecture={architecture!r} is not known.",
            found=(str(architecture),),
            expected=tuple(ACTIVATIONS),
        )
    activation = ACTIVATIONS[architecture]
    transcodes = "transcoder" in architecture
    hook = str(meta.get("hook_name") or meta.get("hook_point") or "")
    out = meta.get("hook_name_out")
    norm = _norm(cfg)
    return Dictionary(
        **_weights(content, cfg, activation),
        activation=activation,
        k=k if activation == "topk" else None,
        centred=not transcodes and bool(cfg.get("apply_b_dec_to_input", True)),
        normalise=norm,
        **(places(content, hook, str(out or "")) if transcodes else places(content, hook)),
        model=str(meta.get("model_name") or ""),
        notes=(UNFOLDED,) if _said_norm(cfg) == "expected_average_only_in" else (),
    )


def _said_norm(cfg: dict[str, Any]) -> str:
    said = cfg.get("normalize_activations") or "none"
    return "expected_average_only_in" if said is True else str(said)


def _norm(cfg: dict[str, Any]) -> InputNorm:
    said = _said_norm(cfg)
    if said not in NORMS:
        raise DictionaryError(
            f"cfg.json: normalize_activations={said!r} is not known.",
            found=(said,),
            expected=tuple(NORMS),
        )
    return NORMS[said]


def _weights(
    content: Content, cfg: dict[str, Any], activation: DictionaryActivation
) -> dict[str, Any]:
    found: dict[str, Tensor] = {name: content.tensor(name) for name in ("W_enc", "W_dec", "b_dec")}
    if activation == "gated":
        found["b_enc"] = content.tensor("b_gate")
        found |= {name: content.tensor(name) for name in ("r_mag", "b_mag")}
    else:
        found["b_enc"] = content.tensor("b_enc")
    if cfg.get("rescale_acts_by_decoder_norm"):
        norm = found["W_dec"].norm(dim=-1)
        found["W_dec"] = found["W_dec"] / norm[:, None]
        found |= {name: found[name] * norm for name in ("W_enc", "b_enc")}
    for name in ("scaling_factor", "finetuning_scaling_factor"):
        factor = content.maybe(name)
        if factor is not None and not torch.equal(factor, torch.ones_like(factor)):
            found["W_dec"] = found["W_dec"] * factor[:, None]
    threshold = content.tensor("threshold") if activation == "jumprelu" else None
    return {**found, "threshold": threshold, "W_skip": content.maybe("W_skip", turned=True)}


LAYOUT = Layout(
    "saelens", "cfg.json with d_in beside W_enc, W_dec, b_enc, b_dec (SAELens)", _fits, _read
)
