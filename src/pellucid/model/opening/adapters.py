"""PEFT adapters: on a model that somebody holds, and in a folder on the disk.

An adapter stays what it is: its layers run as PEFT wrote them, and their matrices are read as
base + scale x B A wherever weights are read (``model/linear.py``). What PEFT does around the model
and not in its layers (prompt learning, adapters that wait for an invocation) is refused.
"""

import json
import warnings
from pathlib import Path
from typing import Any

from pellucid.errors import (
    CorruptModelError,
    MissingDependencyError,
    ModelError,
    UnsupportedArchitectureError,
)

CONFIG = "adapter_config.json"
_WHOLE = ("model*.safetensors", "pytorch_model*.bin")
_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def inside(wrapper: Any) -> Any:
    """The transformers model in a PeftModel, its active adapters in place.

    **Raises** ``UnsupportedArchitectureError`` for what PEFT does outside the layers.
    """
    for name in wrapper.active_adapters:
        config = wrapper.peft_config[name]
        kind = getattr(config.peft_type, "value", config.peft_type)
        if config.is_prompt_learning:
            raise UnsupportedArchitectureError(
                f"The adapter {name!r} is prompt learning ({kind}): it puts vectors of its own "
                "before the prompt, and positions are then not the tokens' positions. Pass the "
                "model without it: peft_model.get_base_model()."
            )
        if getattr(config, "alora_invocation_tokens", None):
            raise UnsupportedArchitectureError(
                f"The adapter {name!r} works only behind its invocation tokens (aLoRA), so it is "
                "not one set of weights. Pass the model without it."
            )
    return wrapper.get_base_model()


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of the adapter in ``folder``.

    **Raises** ``CorruptModelError`` when it cannot be read, or its weights are not there;
    ``ModelError`` when a whole model lies in the same folder.
    """
    file = folder / CONFIG
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptModelError(f"{file} cannot be read as JSON ({error}).") from error
    if not isinstance(config, dict) or "peft_type" not in config:
        raise CorruptModelError(f"{file} names no peft_type, so it is no adapter's configuration.")
    if not any((folder / weights).is_file() for weights in _WEIGHTS):
        raise CorruptModelError(
            f"{folder} has {CONFIG} but none of {' and '.join(_WEIGHTS)}. Copy the adapter again, "
            f"or remove {CONFIG} if the folder holds a merged model."
        )
    if whole := [name for name in _WHOLE if any(folder.glob(name))]:
        raise ModelError(
            f"{folder} holds a whole model and an adapter ({whole[0]} beside {CONFIG}), and which "
            "of the two is meant is not guessed. Move the adapter into a folder of its own."
        )
    return config


def base_of(folder: Path, config: dict[str, Any]) -> str:
    """Name or folder of the model that the adapter was made for.

    **Raises** ``ModelError`` when none is named.
    """
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"The adapter in {folder} does not name its base model. Load both with peft, and pass "
            "the PeftModel: PeftModel.from_pretrained(base_model, folder)."
        )
    return base


def demand_peft(what: str) -> None:
    """**Raises** ``MissingDependencyError`` when peft is not installed."""
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"{what} holds an adapter, which the package peft puts in place. Install it with "
            "`pip install peft`, or merge the adapter elsewhere (merge_and_unload) and pass that.",
            package="peft",
        ) from error


def adapted(base: Any, folder: Path) -> Any:
    """``base`` with the adapter of ``folder`` in its layers, whole.

    **Assumes** that peft is there.
    **Raises** ``CorruptModelError`` naming the weights that are missing or left over.
    """
    from peft import PeftModel, get_peft_model_state_dict, load_peft_weights

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found missing adapter keys")  # refused below
        wrapped = PeftModel.from_pretrained(base, str(folder)).eval()
    held = set(get_peft_model_state_dict(wrapped, save_embedding_layers=False))
    # A copy of the base layer's own weight may lie beside the adapter's.
    loaded = load_peft_weights(str(folder), device="cpu")
    stored = {name for name in loaded if ".base_layer." not in name}
    if missing := sorted(held - stored):
        raise CorruptModelError(
            f"The adapter in {folder} lacks {len(missing)} weights, among them {missing[0]}."
        )
    if extra := sorted(stored - held):
        raise CorruptModelError(
            f"The adapter in {folder} has {len(extra)} weights that its base has no place for, "
            f"among them {extra[0]}. Is the base the model that it was trained on?"
        )
    return inside(wrapped)
