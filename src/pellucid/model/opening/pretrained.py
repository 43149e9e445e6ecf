"""Hugging Face folders and hub names, opened with errors that say what to do.

For a hub name:

1. One request with a short limit asks the hub for the commit of the revision.
2. If it answers, that commit is opened, so a report can name it; files already in the local cache
   are not fetched again.
3. If it does not answer, or `offline` was asked, the cache's own folder is opened like any other.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.errors import (
    CorruptModelError,
    MissingDependencyError,
    ModelError,
    ModelNotFoundError,
    UnsupportedArchitectureError,
)
from pellucid.model.opening.embedded import EMBEDDED
from pellucid.model.opening.integrity import (
    check_config,
    check_files,
    check_loaded,
    counted_dtypes,
)
from pellucid.model.opening.sources import Origin

if TYPE_CHECKING:
    import torch

HUB_PATIENCE_SECONDS = 5.0
_WITHOUT_HUB = f"Without a hub there are {', '.join(EMBEDDED)}."
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tekken.json",
)


def open_folder(folder: Path, dtype: "torch.dtype") -> Any:
    """Return the causal language model in a local folder, in evaluation mode on the CPU.

    Raises:
        CorruptModelError: a file is cut short, weights are missing, or a value of config.json does
            not fit.
        ModelError: any other reason for which transformers does not open it.
    """
    check_config(folder)
    check_files(folder)
    with explained(str(folder)), quiet():
        model, loading = _causal_lm(str(folder), dtype, local_files_only=True)
    check_loaded(loading, model, str(folder))
    return model


def open_hub(name: str, commit: str, dtype: "torch.dtype", *, revision: str | None = None) -> Any:
    """Return the causal language model of a hub repository, in evaluation mode on the CPU.

    The cache notes that ``revision`` is that commit, so that it opens by its name without the hub.

    Raises:
        ModelNotFoundError: the repository holds no such model, or the hub stopped answering.
        CorruptModelError: weights are missing.
        ModelError: any other reason for which transformers does not open it.
    """
    from huggingface_hub import hf_hub_download

    with explained(name):
        hf_hub_download(name, "config.json", revision=revision)
        model, loading = _causal_lm(name, dtype, revision=commit)
    check_loaded(loading, model, name)
    return model


def open_tokenizer(where: str, *, commit: str | None = None) -> Any:
    """Return the tokenizer of a local folder, or of a hub repository when `commit` is given.

    Raises:
        ModelNotFoundError: there is none.
        ModelError: any other reason for which transformers does not open it.
    """
    from transformers import AutoTokenizer

    if commit is None and not has_tokenizer(Path(where)):
        raise ModelNotFoundError(
            f"The folder {where} holds no tokenizer. Pass tokenizer= with a folder, a hub name or "
            "a tokenizer object.",
            name=str(where),
        )
    with explained(f"The tokenizer of {where}"):
        return AutoTokenizer.from_pretrained(
            where, revision=commit, local_files_only=commit is None, trust_remote_code=False
        )


def has_tokenizer(folder: Path) -> bool:
    """Whether a file that a tokenizer is read from lies in ``folder``."""
    return any((folder / file).is_file() for file in _TOKENIZER_FILES)


def stored_dtype(folder: Path | None, origin: Origin) -> str | None:
    """What most weights are on the disk, by the headers of their files; None if unknown.

    A GGUF file's are quantised in its own ways, which torch has no names for.
    """
    from huggingface_hub import try_to_load_from_cache

    if origin.kind in ("gguf", "embedded"):
        return "gguf"
    if folder is None:
        found = try_to_load_from_cache(origin.name, "config.json", revision=origin.revision)
        if not isinstance(found, str):
            return None
        folder = Path(found).parent
    counted = counted_dtypes(folder)
    return max(counted, key=lambda name: counted[name]) if counted else None


def code_not_run(model: Any, name: str) -> list[str]:
    """That a source brings Python code for a model of a known type, as a note.

    transformers then takes its own class, and goes on.
    """
    own: Any = getattr(model.config, "auto_map", None) or {}
    code = own.get("AutoModelForCausalLM") or own.get("AutoModel")
    if not code:
        return []
    return [
        f"{name} brings Python code of its own for this model ({code}), which was not run: it was "
        f"opened as transformers' {type(model).__name__}. If that code computes something else, "
        "load it with transformers, where you can trust it, and pass the model object."
    ]


def locate(name: str, revision: str | None, *, offline: bool) -> tuple[str, Path | None]:
    """Return the commit that a hub name stands for, and its folder when the hub is not used.

    Cost: one request, given up after five seconds; none when `offline`.

    Raises:
        ModelNotFoundError: the hub answers that the repository or the revision is not there, or it
            does not answer and the local cache has no such model.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if offline:
        return _cached(name, revision, "offline was asked", None)
    try:
        info = HfApi().model_info(name, revision=revision, timeout=HUB_PATIENCE_SECONDS)
        return info.sha or revision or "main", None
    except RevisionNotFoundError as error:
        raise ModelNotFoundError(
            f"The hub has {name!r}, but no revision {revision!r} of it. Check the revision.",
            name=name,
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelNotFoundError(
            f"The hub has no model {name!r} that you may read. Check the spelling; a private or "
            f"gated model needs `hf auth login` first. {_WITHOUT_HUB}",
            name=name,
        ) from error
    except Exception as error:
        # Which errors mean "no answer" changes with the hub client's transport.
        reason = f"the hub did not answer ({type(error).__name__}: {_first_line(error)})"
        return _cached(name, revision, reason, error)


def _cached(
    name: str, revision: str | None, reason: str, cause: Exception | None
) -> tuple[str, Path]:
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(config, str):
        wanted = f"{name} at revision {revision}" if revision else name
        raise ModelNotFoundError(
            f"{wanted} is not in the local Hugging Face cache, and {reason}. "
            f"Connect and open it once, or pass a local folder. {_WITHOUT_HUB}",
            name=name,
        ) from cause
    folder = Path(config).parent
    return folder.name, folder


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what transformers raises inside the block into one of our errors."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except ModelError:
        raise
    except ImportError as error:
        raise MissingDependencyError(
            f"{name} needs a package that is not installed: {_first_line(error)}"
        ) from error
    except (SafetensorError, json.JSONDecodeError, EOFError, UnicodeDecodeError) as error:
        raise CorruptModelError(f"{name} cannot be read whole: {_first_line(error)}") from error
    except StrictDataclassError as error:
        told = " ".join(str(error).split())
        raise CorruptModelError(
            f"{name}: its config.json holds a value that does not fit ({told}). Take the file from "
            "where the model came from."
        ) from error
    except OSError as error:
        raise ModelNotFoundError(f"{name} could not be opened: {_first_line(error)}") from error
    except ValueError as error:
        raise _refused(name, error) from error
    except RuntimeError as error:
        text = _first_line(error)
        damaged = "PytorchStreamReader" in text or "mismatch" in text
        raise (CorruptModelError if damaged else ModelError)(
            f"{name} could not be loaded: {text}"
        ) from error
    except Exception as error:
        # The tokenizers library raises bare Exception for a file that it cannot read, and the hub
        # client lets the errors of its transport through, whose library changes between releases.
        if type(error) is Exception:
            raise CorruptModelError(f"{name} cannot be read: {_first_line(error)}") from error
        raise ModelError(
            f"{name} could not be opened ({type(error).__name__}: {_first_line(error)}). "
            "If the connection was lost, open it again, or with offline=True from the cache."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Hide transformers' progress bars while local files load, which takes a moment only."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    if shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _causal_lm(where: str, dtype: "torch.dtype", **options: Any) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        where,
        dtype=dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are refused by name in check_loaded
        trust_remote_code=False,
        **options,
    )
    model, loading = loaded
    return model, loading


def _refused(name: str, error: ValueError) -> ModelError:
    text = _first_line(error)
    if "trust_remote_code" in str(error):
        return ModelError(
            f"{name} brings Python code of its own, which is not run here. If you trust it, load "
            "it with transformers and pass the model object."
        )
    if "nrecognized" in text or "does not recognize" in text:
        return UnsupportedArchitectureError(
            f"{name} is not a causal language model that transformers knows: {text}"
        )
    return ModelError(f"{name} could not be loaded: {text}")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
