"""How a saved result lies on the disk, and how it is told from what others wrote.

    result.json                   everything but the tensors, and their SHA-256; replaced last
    tensors-DIGEST.safetensors    named after its content, so that no other one can be taken for it

Early versions wrote ``tensors.safetensors``; it is read, and removed when the result is replaced.
"""

import hashlib
import json
import re
from pathlib import Path

from pellucid.results.disk.folders import FolderKind

INDEX = "result.json"
EARLY = "tensors.safetensors"
_NAMED = re.compile(r"tensors-([0-9a-f]{16})\.safetensors")


def tensors_name(digest: str) -> str:
    """The name of the file of tensors with this SHA-256."""
    return f"tensors-{digest[:16]}.safetensors"


def is_result(content: bytes) -> bool:
    """Whether ``content`` is the JSON of a result, of whatever kind and version."""
    return _body(content) is not None


def tensors_beside(folder: Path, index: bytes) -> Path | None:
    """The file of tensors in ``folder`` that ``index`` names; None if it names none."""
    body = _body(index) or {}
    digest = body.get("tensors", "")
    named = folder / tensors_name(str(digest))
    if _NAMED.fullmatch(named.name) and named.is_file():
        return named
    return folder / EARLY if digest or body.get("schema") == 1 else None


def _body(content: bytes) -> dict[str, object] | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("schema"), int):
        return None
    return body if isinstance(body.get("type"), str) and "fields" in body else None


def _held(folder: Path) -> tuple[str, ...] | None:
    index = folder / INDEX
    if index.is_symlink() or not index.is_file():
        return None
    content = index.read_bytes()
    tensors = tensors_beside(folder, content)
    if not is_result(content):
        return None
    return (INDEX, tensors.name) if tensors else (INDEX,)


def _left(file: Path) -> bool:
    """Whether a file is one that a killed writer put there: its content is what its name says."""
    named = _NAMED.fullmatch(file.name)
    if named is None or file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest().startswith(named[1])


SAVED = FolderKind(noun="saved result", index=INDEX, held=_held, left=_left)
