"""What lies in a file or folder that holds a dictionary: names and shapes first, tensors later.

Nothing is unpickled: ``.pt`` files are read with torch's ``weights_only``, ``.npz`` files without
objects. Tensors are loaded one by one, so that reading takes little more memory than they do.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import DictionaryError

WEIGHTS = (".safetensors", ".npz", ".pt")
_LAYER = re.compile(r"(?:layers?[._]?|W_(?:enc|dec)_)(\d+)")


@dataclass(frozen=True)
class Content:
    """The weights of one dictionary, and the folder that they lie in."""

    files: tuple[Path, ...]
    """Files of weights that belong together: one, or encoder and decoder of a cross-layer one."""
    folder: Path
    asked: Mapping[str, Any]
    """What the caller knows better: hook names, model, k."""

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, by name."""
        return {name: shape for file in self._opened for name, shape in file.shapes.items()}

    @cached_property
    def _opened(self) -> list["WeightFile"]:
        return [_open(file) for file in self.files]

    @property
    def ending(self) -> str:
        """The ending of the weights' name."""
        return self.files[0].suffix

    @property
    def layer(self) -> int | None:
        """The layer that the path names, nearest to its end."""
        for part in reversed(self.files[0].parts):
            if found := _LAYER.search(part):
                return int(found[1])
        return None

    def has(self, *names: str) -> bool:
        """Whether all of these tensors are there."""
        return all(name in self.shapes for name in names)

    def settings(self, name: str) -> dict[str, Any]:
        """A JSON or YAML file beside the weights, or a folder above; empty where there is none.

        **Raises** ``DictionaryError`` when it cannot be read.
        """
        for folder in (self.folder, self.folder.parent):
            file = folder / name
            if file.is_file():
                return _settings(file)
        return {}

    def tensor(self, name: str, *, turned: bool = False) -> Tensor:
        """One tensor; ``turned`` exchanges its two axes."""
        file = next(one for one in self._opened if name in one.shapes)
        found = file.tensor(name)
        return found.T.contiguous() if turned else found

    def maybe(self, name: str, *, turned: bool = False) -> Tensor | None:
        """One tensor, or None where it is not there."""
        return self.tensor(name, turned=turned) if self.has(name) else None


@dataclass(frozen=True)
class WeightFile:
    """One file of weights."""

    shapes: Mapping[str, tuple[int, ...]]
    tensor: Callable[[str], Tensor]


def content_of(source: Path, layer: int | None, asked: Mapping[str, Any]) -> Content:
    """What lies under ``source``; of several layers, that of ``layer``.

    **Raises** ``DictionaryError`` when there are no weights, or several and no layer.
    """
    if not source.exists():
        raise DictionaryError(f"There is nothing at {source}. Give the path of a file or folder.")
    if source.is_file():
        return Content((source,), source.parent, asked)
    found = [file for file in sorted(source.iterdir()) if file.suffix in WEIGHTS]
    found = [file for file in found if file.name != "sparsity.safetensors"]
    if not found and (source / "checkpoints").is_dir():
        found = [f for f in sorted((source / "checkpoints").iterdir()) if f.suffix in WEIGHTS]
        final = [file for file in found if file.stem == "final"]
        found = final or found
    if not found:
        below = sorted({file.parent for end in WEIGHTS for file in source.rglob(f"*{end}")})
        several = ", ".join(str(one.relative_to(source)) for one in below[:5])
        more = f" Its folders {several} do: give one of these." if several else ""
        raise DictionaryError(f"{source} holds no {', '.join(WEIGHTS)} file itself.{more}")
    if len(found) > 1:
        found = _of_layer(source, found, layer)
    return Content(tuple(found), source, asked)


def _of_layer(source: Path, files: Sequence[Path], layer: int | None) -> list[Path]:
    by_layer: dict[int, list[Path]] = {}
    for file in files:
        if found := _LAYER.search(file.name):
            by_layer.setdefault(int(found[1]), []).append(file)
    if layer is None and len(by_layer) == 1 and len(files) == len(next(iter(by_layer.values()))):
        layer = next(iter(by_layer))
    if layer is None or layer not in by_layer:
        there = ", ".join(map(str, sorted(by_layer))) or "none that their names say"
        names = ", ".join(file.name for file in files[:4])
        raise DictionaryError(
            f"{source} holds several files of weights ({names}); layers: {there}. Give layer=, or "
            "the path of one file."
        )
    return by_layer[layer]


def _settings(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            found = json.loads(text)
        else:
            import yaml

            found = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError) as error:
        raise DictionaryError(f"{file} cannot be read: {error}.") from error
    except Exception as error:  # yaml's errors have no base but its own
        raise DictionaryError(f"{file} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise DictionaryError(f"{file} should hold settings by name, and holds {found!r:.60}.")
    return found


def _open(file: Path) -> WeightFile:
    """**Raises** ``DictionaryError`` for a file that is not what its ending says."""
    try:
        return {".safetensors": _safetensors, ".npz": _npz, ".pt": _pt}[file.suffix](file)
    except DictionaryError:
        raise
    except Exception as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DictionaryError(
            f"{file} cannot be read as {file.suffix}, without running code in it: {said:.200}. "
            "Take an undamaged copy; of a pickled object, save its state_dict() instead."
        ) from error


def _safetensors(file: Path) -> WeightFile:
    from safetensors import safe_open

    opened = safe_open(file, framework="pt")
    shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    return WeightFile(shapes, opened.get_tensor)


def _npz(file: Path) -> WeightFile:
    opened = np.load(file, allow_pickle=False)
    names = [name for name in opened.files if opened[name].dtype.kind in "fiu"]
    return WeightFile(
        {name: opened[name].shape for name in names}, lambda name: torch.from_numpy(opened[name])
    )


def _pt(file: Path) -> WeightFile:
    held = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(held, Mapping):
        raise DictionaryError(f"{file} holds a {type(held).__name__}, not tensors by name.")
    tensors = {str(k): v for k, v in held.items() if isinstance(v, Tensor)}
    return WeightFile({k: tuple(v.shape) for k, v in tensors.items()}, tensors.__getitem__)
