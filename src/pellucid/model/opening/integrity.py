"""Is a model whole: files that can be read to the end, and values that are finite."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pellucid.errors import CorruptModelError, ModelError, UnsupportedArchitectureError

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Floating types by their names in safetensors."""


def check_config(folder: Path) -> None:
    """Check that the configuration of a folder can be read, before transformers looks for it.

    Raises:
        CorruptModelError: it is cut short, or not a JSON object.
        UnsupportedArchitectureError: it is that of an encoder-decoder.
    """
    file = folder / "config.json"
    advice = "It may be cut short: copy it again from where the model came from."
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptModelError(f"{file} cannot be read as JSON ({error}). {advice}") from error
    if not isinstance(config, dict):
        raise CorruptModelError(f"{file} holds no JSON object but {config!r:.40}. {advice}")
    if config.get("is_encoder_decoder") is True:
        raise encoder_decoder(f"{folder} ({config.get('model_type')})")


def encoder_decoder(name: str) -> UnsupportedArchitectureError:
    """The refusal of a model that reads one text and writes another."""
    return UnsupportedArchitectureError(
        f"{name} is an encoder-decoder: its prompt is read by an encoder, whose residual stream "
        "is not the one that predicts. Pellucid opens decoders that read and predict in one "
        "stream (classes that end in ForCausalLM)."
    )


def check_files(folder: Path) -> None:
    """Check that the safetensors files of a folder, and the pieces its index names, are whole.

    Cost: reads headers only; safetensors compares them with the file's size.

    Raises:
        CorruptModelError: names the file that is missing, cut short or not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    index = folder / "model.safetensors.index.json"
    files = sorted(folder.glob("*.safetensors"))
    if index.is_file():
        try:
            pieces = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError) as error:
            raise CorruptModelError(f"{index} cannot be read as an index: {error}.") from error
        files = [folder / piece for piece in sorted(pieces)]
    for file in files:
        try:
            with safe_open(file, framework="numpy"):
                pass
        except FileNotFoundError as error:
            raise CorruptModelError(
                f"{folder} lacks {file.name}, which its index names. Copy the folder again."
            ) from error
        except SafetensorError as error:
            raise CorruptModelError(
                f"{file} cannot be read whole ({error}). It may be cut short: copy it again."
            ) from error


def counted_dtypes(folder: Path) -> dict[str, int]:
    """How many weights of each dtype the safetensors files of a folder hold, by torch's names.

    Cost: reads headers only.
    """
    from safetensors import safe_open

    found: Counter[str] = Counter()
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="numpy") as opened:
            for name in opened.keys():  # noqa: SIM118  (it is no mapping)
                part = opened.get_slice(name)
                found[DTYPES.get(part.get_dtype(), part.get_dtype())] += math.prod(part.get_shape())
    return dict(found)


def check_loaded(loading: dict[str, Any], model: Any, name: str) -> None:
    """Refuse a model of which some weights were not in its files, or whole layers were left there.

    transformers gives missing weights random values, leaves out layers that the configuration does
    not count, and goes on, which would make every figure about the model meaningless.

    Raises:
        CorruptModelError: names the parameters.
    """
    if mismatched := loading.get("mismatched_keys"):
        raise CorruptModelError(
            f"{name}: the shapes of {len(mismatched)} weights are not those of its config.json, "
            f"among them {min(str(entry) for entry in mismatched)}."
        )
    if missing := sorted(loading.get("missing_keys") or ()):
        raise CorruptModelError(
            f"{name} holds no values for {len(missing)} parameters, among them {missing[0]}. "
            "They would be random. Is it a whole causal language model, with its head?"
        )
    if extra := _of_further_layers(loading.get("unexpected_keys") or (), model):
        raise CorruptModelError(
            f"{name} holds more layers than its config.json counts: {len(extra)} weights, among "
            f"them {extra[0]}, would be left out. Take config.json and weights from one source, or "
            "load the model with transformers and pass the object if this is meant."
        )


def _of_further_layers(unexpected: Iterable[str], model: Any) -> list[str]:
    """Weights that the model has too, but of a layer with another number."""

    def numberless(name: str) -> str:
        return re.sub(r"\.\d+\.", ".", name)

    known = {
        numberless(name) for name, _ in model.named_parameters() if re.search(r"\.\d+\.", name)
    }
    return sorted(name for name in unexpected if numberless(name) in known)


def check_finite(model: Any) -> None:
    """Check that every parameter is finite, as the quantised tensors of torchao are read.

    Cost: one sum over the weights, about 0.03 s for 135M parameters; no copy.

    Raises:
        CorruptModelError: names the parameter and how many of its values are not finite.
        ModelError: the weights are not in memory.
    """
    import torch

    # Torch sums no smaller floats, and a quantised model's packed bytes are always finite.
    summable = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.is_meta:
                raise ModelError(
                    f"The weights are not in memory: {name} is on the meta device. "
                    "Load the model fully, then pass it."
                )
            if value.dtype not in summable:
                continue
            if type(value) not in (torch.nn.Parameter, torch.Tensor):
                if not hasattr(value, "dequantize"):
                    continue
                value = value.dequantize()
            total = value.sum(dtype=torch.promote_types(value.dtype, torch.float32))
            if total.isfinite():
                continue
            if bad := int((~value.isfinite()).sum()):
                raise CorruptModelError(
                    f"The parameter {name} holds {bad} values of {value.numel()} that are not "
                    "finite (NaN or infinity). Take the weights from their source again."
                )
