"""Bringing a model's files to this machine before the first run, which may be without a network."""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from pellucid.model.opening import pretrained
from pellucid.model.opening.gguf_cache import GgufFile, converted
from pellucid.model.opening.sources import HubName, identify_name

_BESIDE_WEIGHTS = ("*.json", "*.txt", "*.model", "*.jinja")
"""Configuration, tokenizer and chat template."""


def fetch(source: str, *, revision: str | None = None) -> Path:
    """The folder that ``source`` can be opened from without a network.

    A hub name is downloaded into the Hugging Face cache: what ``load`` reads, not copies of the
    weights for other libraries. What packages carry, or a .gguf file, is converted into the cache.

    **Cost** the download; nothing is loaded.
    **Raises** ``ModelNotFoundError`` when nothing is there or the hub does not answer.
    """
    what = identify_name(source)
    if isinstance(what, GgufFile):
        return converted(what).folder
    if not isinstance(what, HubName):
        return Path(what.path)
    from huggingface_hub import HfApi, snapshot_download

    _, cached = pretrained.locate(what.name, revision, offline=False)
    if cached is not None:
        return cached
    with pretrained.explained(what.name):
        files = HfApi().list_repo_files(what.name, revision=revision)
        wanted = [*_BESIDE_WEIGHTS, weights_among(files)]
        return Path(snapshot_download(what.name, revision=revision, allow_patterns=wanted))


def weights_among(files: Iterable[str]) -> str:
    """The pattern of the weights that transformers reads, of a model or of an adapter.

    Safetensors where there are any; in folders are copies for other libraries.
    """
    safe = "*model*.safetensors"
    return safe if any(fnmatch(file, safe) and "/" not in file for file in files) else "*model*.bin"
