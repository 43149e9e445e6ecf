"""Writing a GGUF file as a Hugging Face folder in float32, with its tokenizer.

1. transformers reads the configuration from the file's metadata.
2. The model is built from it without memory for its weights, to learn their names and shapes.
3. transformers' GGUF reader dequantises each tensor and gives it its Hugging Face name.
4. The tensors are put in place; a parameter without a value refuses the file.
5. The model and the tokenizer are saved. The configuration has no quantisation entry, so the
   folder opens, and saves again, like any other.

Steps 1 and 3 are transformers' own reading functions. Its `from_pretrained(gguf_file=...)` is
built on the same ones, but asks for the accelerate package.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pellucid.errors import CorruptModelError, ModelError, UnsupportedArchitectureError

# Counted up when the folder that is written changes: older cache folders are then left alone.
CONVERTER_VERSION = 1

# What reading a damaged header raises: lengths and types there are followed without a check.
_DAMAGE = (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, AttributeError)


def convert(gguf: Path, name: str, folder: Path) -> str:
    """Write the model in `gguf` to `folder`, and return the versions that did it.

    Cost: reads the whole file, and holds the model once in float32.

    Raises:
        CorruptModelError: the file is not GGUF, is cut short, or lacks values.
        UnsupportedArchitectureError: transformers cannot read this architecture from GGUF.
        ModelError: the folder cannot be written.
    """
    with gguf.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise CorruptModelError(f"{name} is not a GGUF file: it does not begin with 'GGUF'.")
    with _explained(name):
        metadata = _metadata_of(gguf)
        model = _model_of(gguf, metadata["config"])
        tokenizer = _tokenizer_of(gguf) if "tokens" in metadata["tokenizer"] else None
    _save(model, tokenizer, folder)
    return (
        f"pellucid converter {CONVERTER_VERSION}, transformers {version('transformers')}, "
        f"gguf {version('gguf')}"
    )


def _metadata_of(gguf: Path) -> dict[str, Any]:
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    parsed: dict[str, Any] = load_gguf_checkpoint(str(gguf))
    return parsed


def _model_of(gguf: Path, settings: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config = AutoConfig.for_model(**settings)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    tensors = load_gguf_checkpoint(str(gguf), return_tensors=True, model_to_load=model)["tensors"]
    model.load_state_dict(tensors, strict=False, assign=True)
    model.tie_weights()
    if empty := [name for name, value in model.named_parameters() if value.is_meta]:
        raise CorruptModelError(
            f"The file holds no values for {len(empty)} parameters, among them {empty[0]}."
        )
    return model


def _tokenizer_of(gguf: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, local_files_only=True
    )


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
    except SafetensorError as error:  # safetensors' name for a full disk
        raise ModelError(
            f"The converted model could not be written to {folder}: {error}. "
            "Free some space there, or set PELLUCID_CACHE to another folder."
        ) from error


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise type(error)(f"{name}: {error}") from error
    except (ValueError, NotImplementedError) as error:
        text = str(error)
        if "not supported" in text or "Unrecognized" in text or "Unknown gguf" in text:
            raise UnsupportedArchitectureError(
                f"{name}: {text} Convert it to a Hugging Face folder and pass that folder."
            ) from error
        raise _damaged(name, error) from error
    except (RuntimeError, *_DAMAGE) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> CorruptModelError:
    return CorruptModelError(
        f"{name} cannot be read as a whole GGUF file ({type(error).__name__}: {error}). "
        "It may be cut short: compare its size and SHA-256 with its source's, and copy it again."
    )
