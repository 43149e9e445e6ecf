"""What is done of a training, on the disk: the same call goes on from there."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from pellucid.results.disk.files import replace_file
from pellucid.results.disk.folders import kept_parts

EVERY = 30.0
"""Seconds after which it is written again."""


@dataclass
class Checkpoint:
    """One file of tensors under the name of the training that it is of; without a folder none."""

    file: Path | None
    _written: float = field(default_factory=time.monotonic)

    def read(self) -> dict[str, Tensor] | None:
        """The tensors of the last one; None where there is none, or it is damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        if self.file is None or not self.file.exists():
            return None
        try:
            return load(self.file.read_bytes())
        except SafetensorError:
            return None

    def write(self, state: Callable[[], Mapping[str, Tensor]]) -> None:
        """Write what ``state`` gives, if it is time."""
        if self.file is None or time.monotonic() - self._written < EVERY:
            return
        plain = {name: one.detach().contiguous() for name, one in state().items()}
        replace_file(self.file, save(plain))
        self._written = time.monotonic()


@contextmanager
def kept(path: str | Path | None, settings: Mapping[str, object]) -> Iterator[Checkpoint]:
    """A checkpoint beside ``path``: gone when the block ends, left where an exception ends it.

    **Raises** ``ResultFileError`` when nothing can be written there, or another process does.
    """
    if path is None:
        yield Checkpoint(None)
        return
    said = json.dumps({**settings, "torch": torch.__version__}, default=str, sort_keys=True)
    with kept_parts(path) as folder:
        yield Checkpoint(folder / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.safetensors")
