"""A tensor on the disk that grows by rows, in a safetensors file with room for its header.

Rows are appended as raw bytes, so that no more than what is appended is ever held in memory. A
writer that was stopped cuts the file back to the rows that it knows to be whole. ``close`` writes
the header; from then on any reader of safetensors opens the file, without loading it.
"""

import json
import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

_NAME = "values"
"""The one tensor of each file."""
_ROOM = 1024
"""Bytes before the first row: the header's length, the header, and blanks."""
CODES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


@dataclass(frozen=True)
class GrowingTensor:
    """``[row ...]`` in one file; every row has the shape ``row``."""

    path: Path
    dtype: torch.dtype
    row: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """What one row takes."""
        return prod(self.row) * self.dtype.itemsize

    def keep(self, rows: int) -> None:
        """Have exactly the first ``rows`` rows, and make the file if there is none."""
        with self.path.open("r+b" if self.path.exists() else "xb") as file:
            file.truncate(_ROOM + rows * self.row_bytes)

    def append(self, values: Tensor) -> None:
        """Add rows, and bring them to the disk."""
        plain = values.detach().to("cpu", self.dtype).contiguous().reshape(-1)
        with self.path.open("ab") as file:
            file.write(plain.view(torch.uint8).numpy().data)
            file.flush()
            os.fsync(file.fileno())

    def read(self, rows: int) -> Tensor:
        """The first ``rows`` rows of a file that is not closed."""
        with self.path.open("rb") as file:
            file.seek(_ROOM)
            data = bytearray(file.read(rows * self.row_bytes))
        flat = (
            torch.frombuffer(data, dtype=self.dtype) if data else torch.empty(0, dtype=self.dtype)
        )
        return flat.reshape(rows, *self.row)

    def close(self, rows: int) -> None:
        """Write the header of ``rows`` rows."""
        shape = [rows, *self.row]
        entry = {"dtype": CODES[self.dtype], "shape": shape}
        header = {_NAME: {**entry, "data_offsets": [0, rows * self.row_bytes]}}
        text = json.dumps(header).encode().ljust(_ROOM - 8)
        with self.path.open("r+b") as file:
            file.write(struct.pack("<Q", len(text)) + text)


def mapped(path: Path) -> Tensor:
    """The tensor of a file that was closed; its rows are read when they are used."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.get_tensor(_NAME)
