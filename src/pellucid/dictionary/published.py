"""Dictionaries by the names under which they are published, as of ``AS_OF``.

Only those are listed whose files say all that is needed to use them. Any other is read from the
folder that its owner published.
"""

from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import DictionaryError

AS_OF = "2026-11-27"


@dataclass(frozen=True)
class Published:
    """Where a release lies on the Hugging Face hub, and what Neuronpedia calls it."""

    model: str
    repo: str
    path: str
    """Of one layer, a folder or a file."""
    layers: tuple[int, ...]
    neuronpedia: str | None = None
    """Neuronpedia's model and the end of its source, as in ``gpt2-small/res-jb``."""


def _qwen(size: str, layers: int, k: int) -> Published:
    repo = f"Qwen/SAE-Res-Qwen3-{size}-Base-W{32 if size == '1.7B' else 64}K-L0_{k}"
    path = "layer{layer}.sae.pt"
    return Published(f"Qwen/Qwen3-{size}-Base", repo, path, tuple(range(layers)))


def _llama_scope(letter: str, name: str) -> Published:
    return Published(
        "meta-llama/Llama-3.1-8B",
        f"fnlp/Llama3_1-8B-Base-LX{letter}-8x",
        f"Llama3_1-8B-Base-L{{layer}}{letter}-8x",
        tuple(range(32)),
        f"llama3.1-8b/llamascope-{name}-32k",
    )


RELEASES: dict[str, Published] = {
    "gpt2-small-res-jb": Published(
        "openai-community/gpt2", "jbloom/GPT2-Small-SAEs-Reformatted",
        "blocks.{layer}.hook_resid_pre", tuple(range(12)), "gpt2-small/res-jb",
    ),
    "gemma-scope-2-270m-pt-res": Published(
        "google/gemma-3-270m", "google/gemma-scope-2-270m-pt",
        "resid_post/layer_{layer}_width_16k_l0_medium", (5, 9, 12, 15),
        "gemma-3-270m/gemmascope-2-res-16k",
    ),
    "llama_scope_lxr_8x": _llama_scope("R", "res"),
    "llama_scope_lxm_8x": _llama_scope("M", "mlp"),
    "qwen-scope-3-1.7b-base-w32k-l50": _qwen("1.7B", 28, 50),
    "qwen-scope-3-1.7b-base-w32k-l100": _qwen("1.7B", 28, 100),
    "qwen-scope-3-8b-base-w64k-l50": _qwen("8B", 36, 50),
}  # fmt: skip
DEFAULT_FOR = {
    "gpt2": "gpt2-small-res-jb",
    "gpt2-small": "gpt2-small-res-jb",
    "openai-community/gpt2": "gpt2-small-res-jb",
    "google/gemma-3-270m": "gemma-scope-2-270m-pt-res",
    "meta-llama/Llama-3.1-8B": "llama_scope_lxr_8x",
    "Qwen/Qwen3-1.7B-Base": "qwen-scope-3-1.7b-base-w32k-l50",
    "Qwen/Qwen3-8B-Base": "qwen-scope-3-8b-base-w64k-l50",
}
"""The release that the name of a model stands for."""


def release_named(name: str) -> tuple[str, Published] | None:
    """A release by its name, or by the model that it is the default for."""
    name = DEFAULT_FOR.get(name, name)
    return (name, RELEASES[name]) if name in RELEASES else None


def fetched(name: str, release: Published, layer: int | None, *, offline: bool) -> Path:
    """The folder or file of one layer, from the hub or from what was downloaded before.

    **Raises** ``DictionaryError`` for a layer that is not there, or when the hub does not answer.
    """
    if layer is None or layer not in release.layers:
        layers = ", ".join(map(str, release.layers))
        raise DictionaryError(f"{name} has layers {layers}. Give layer=, one of them.")
    from huggingface_hub import snapshot_download

    path = release.path.format(layer=layer)
    try:
        root = snapshot_download(
            release.repo, allow_patterns=[path, f"{path}/*"], local_files_only=offline
        )
    except Exception as error:
        how = "It was not downloaded before" if offline else "The hub did not answer"
        raise DictionaryError(
            f"{name} is {release.repo} on the Hugging Face hub. {how}: {error!s:.200} Give the "
            "folder if you have it."
        ) from error
    return Path(root) / path


def neuronpedia_address(model: str, source: str, index: int) -> str:
    """The page of a latent: ``("gpt2-small", "9-res-jb", 4821)``; asks nobody."""
    return f"https://www.neuronpedia.org/{model}/{source}/{index}"
