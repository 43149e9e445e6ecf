"""Dictionaries written as other libraries read them: whole new folders or none."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from pellucid.arguments import checks_kinds
from pellucid.dictionary.dictionary import Dictionary
from pellucid.dictionary.formats.circuit_tracer import CONFIG, HOOK_IN, HOOK_OUT, THRESHOLD
from pellucid.dictionary.formats.saelens import CFG, WEIGHTS
from pellucid.errors import DictionaryError
from pellucid.options import DICTIONARY_FORMAT, DictionaryFormat, demand_choice
from pellucid.results.disk.folders import demand_free, growing
from pellucid.results.disk.places import demand_writable, place
from pellucid.results.views import shows

_WRITTEN_AS = "6.54.12"
"""The version of SAELens whose layout is written."""


@shows(Dictionary, "file")
def export(
    dictionary: Dictionary, folder: str | Path, *, format: DictionaryFormat = DICTIONARY_FORMAT
) -> Path:
    """Write one dictionary into a new folder."""
    return export_dictionaries([dictionary], folder, format=format)


@checks_kinds
def export_dictionaries(
    dictionaries: Sequence[Dictionary],
    folder: str | Path,
    *,
    format: DictionaryFormat = DICTIONARY_FORMAT,
) -> Path:
    """Write dictionaries of several layers into one new folder; of ``saelens`` one alone.

    **Raises** ``DictionaryError`` for what the format cannot hold, ``ResultFileError`` when the
    folder exists or cannot be written.
    """
    demand_choice("format", format, DictionaryFormat, DictionaryError)
    files, settings = (_saelens if format == "saelens" else _circuit_tracer)(dictionaries)
    target = place(folder)
    demand_free(target)
    demand_writable(target)
    with growing(target, lambda draft: False) as draft:
        for name, tensors in files.items():
            save_file({key: one.contiguous() for key, one in tensors.items()}, draft / name)
        (draft / (CFG if format == "saelens" else CONFIG)).write_text(settings, encoding="utf-8")
    return target


def _saelens(
    dictionaries: Sequence[Dictionary],
) -> tuple[dict[str, dict[str, Tensor]], str]:
    if len(dictionaries) != 1:
        raise DictionaryError("A SAELens folder holds one dictionary. Export them one by one.")
    of = dictionaries[0]
    kept = {"W_enc": of.W_enc, "W_dec": of.W_dec, "b_dec": of.b_dec}
    if of.activation == "gated":
        assert of.b_mag is not None
        assert of.r_mag is not None
        kept |= {"b_gate": of.b_enc, "b_mag": of.b_mag, "r_mag": of.r_mag}
    else:
        kept["b_enc"] = of.b_enc
    if of.threshold is not None:
        kept["threshold"] = of.threshold
    if of.W_skip is not None:
        kept["W_skip"] = of.W_skip.T
    norm = {"none": "none", "layer_norm": "layer_norm", "unit": "constant_norm_rescale"}
    cfg: dict[str, Any] = {
        "d_in": of.d_in,
        "d_sae": of.n_latents,
        "dtype": str(of.W_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": of.centred,
        "normalize_activations": norm[of.normalise],
        "reshape_activations": "hook_z" if of.hook_in.endswith("hook_z") else "none",
        "metadata": {
            "sae_lens_version": _WRITTEN_AS,
            "sae_lens_training_version": None,
            "hook_name": of.hook_in,
            "model_name": of.model,
        },
        "architecture": _architecture(of),
    }
    if of.activation == "topk":
        cfg |= {"k": of.k, "rescale_acts_by_decoder_norm": False}
    if of.kind != "autoencoder":
        cfg["d_out"] = of.d_out
        cfg["metadata"]["hook_name_out"] = of.hooks_out[0]
    return {WEIGHTS: kept}, json.dumps(cfg)


def _architecture(of: Dictionary) -> str:
    """What SAELens calls it.

    **Raises** ``DictionaryError`` for a kind that it has no name for.
    """
    thresholded = of.activation in ("jumprelu", "batchtopk")
    plain = {"relu": "standard", "topk": "topk", "gated": "gated"}.get(of.activation, "jumprelu")
    transcoder = {"relu": "transcoder"}.get(of.activation, "jumprelu_transcoder")
    skip = {"relu": "skip_transcoder"}.get(of.activation, "jumprelu_skip_transcoder")
    fits = of.activation == "relu" or thresholded
    found = {"autoencoder": plain, "transcoder": transcoder, "skip transcoder": skip}.get(of.kind)
    if found is None or (of.kind != "autoencoder" and not (fits and of.normalise == "none")):
        raise DictionaryError(
            f"SAELens has no {of.kind} with activation={of.activation!r}. Use "
            "format='circuit-tracer', or save()."
        )
    return found


def _circuit_tracer(
    dictionaries: Sequence[Dictionary],
) -> tuple[dict[str, dict[str, Tensor]], str]:
    files: dict[str, dict[str, Tensor]] = {}
    kinds, hooks = set(), set()
    for of in dictionaries:
        _demand_linear(of)
        layer, out = _layer_of(of.hooks_out[0])
        hooks.add((_layer_of(of.hook_in)[1], out))
        kinds.add("cross_layer_transcoder" if of.W_dec.ndim == 3 else "transcoder_set")
        if of.W_dec.ndim == 3:
            names = (f"W_enc_{layer}", f"b_enc_{layer}", f"b_dec_{layer}", f"threshold_{layer}")
            files[f"W_dec_{layer}.safetensors"] = {f"W_dec_{layer}": of.W_dec}
        else:
            names = ("W_enc", "b_enc", "b_dec", THRESHOLD)
        held = dict(zip(names, (of.W_enc.T, of.b_enc, of.b_dec), strict=False))
        if of.threshold is not None:
            held[names[3]] = of.threshold
        if of.W_dec.ndim == 2:
            held["W_dec"] = of.W_dec
            if of.W_skip is not None:
                held["W_skip"] = of.W_skip.T
        files[f"{'W_enc' if of.W_dec.ndim == 3 else 'layer'}_{layer}.safetensors"] = held
    if len(kinds) != 1 or len(hooks) != 1:
        raise DictionaryError(
            f"One folder of circuit-tracer holds one kind of transcoder at one place: found "
            f"{sorted(kinds)} at {sorted(hooks)}."
        )
    ((hook_in, hook_out),) = hooks
    lines = {
        "model_name": dictionaries[0].model,
        "model_kind": kinds.pop(),
        "feature_input_hook": hook_in or HOOK_IN,
        "feature_output_hook": hook_out or HOOK_OUT,
        "scan": dictionaries[0].model,
    }
    return files, "".join(f"{key}: {json.dumps(value)}\n" for key, value in lines.items())


def _demand_linear(of: Dictionary) -> None:
    plain = of.activation in ("relu", "jumprelu", "batchtopk") and of.normalise == "none"
    if not plain or of.centred:
        raise DictionaryError(
            f"circuit-tracer has no activation={of.activation!r}, normalise={of.normalise!r}, "
            f"centred={of.centred}: its transcoders are relu or jumprelu of plain inputs."
        )


def _layer_of(hook: str) -> tuple[int, str]:
    parts = hook.split(".", 2)
    if len(parts) != 3 or parts[0] != "blocks" or not parts[1].isdigit():
        raise DictionaryError(
            f"The dictionary is at {hook!r}, which names no layer. Say which with "
            "dataclasses.replace(dictionary, hook_in=..., hooks_out=...)."
        )
    return int(parts[1]), parts[2]
