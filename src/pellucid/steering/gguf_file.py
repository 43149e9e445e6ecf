"""Control vectors of llama.cpp: a GGUF file with one float32 tensor a layer, ``direction.N``.

``direction.N`` is added to what block N gives (counted from 0; there is none for block 0), so it is
the vector for the stream that enters layer N + 1.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import EditError, ResultFileError
from pellucid.results.disk.files import write_file
from pellucid.results.disk.ours import WRITTEN_BY

Directions = Mapping[int, Float[Tensor, " d_model"]]
"""By the layer whose entering stream they are added to."""

_ARCHITECTURE = "controlvector"


def write_gguf(path: str | Path, directions: Directions, *, about: str, model_hint: str) -> Path:
    """Write a control vector. **Raises** ``EditError`` for a layer that has no place in one."""
    from gguf import GGUFWriter

    if below := [layer for layer in directions if layer < 2]:
        raise EditError(
            f"layer {below[0]}: llama.cpp adds vectors behind blocks 1 and later, so to the stream "
            "that enters layer 2 and later. Make the vector for those layers alone."
        )
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "vector.gguf"
        writer = GGUFWriter(draft, _ARCHITECTURE)
        writer.add_string("general.description", f"{WRITTEN_BY}: {about}")
        writer.add_string(f"{_ARCHITECTURE}.model_hint", model_hint)
        writer.add_uint32(f"{_ARCHITECTURE}.layer_count", len(directions))
        for layer, values in directions.items():
            writer.add_tensor(f"direction.{layer - 1}", values.float().contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return write_file(path, draft.read_bytes())


def read_gguf(path: str | Path) -> Directions:
    """The directions of a control vector, in the order of layers.

    **Raises** ``ResultFileError`` for a file that is missing, damaged or no control vector.
    """
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        kind = reader.get_field("general.architecture")
        found = None if kind is None else kind.contents()
        rows = {
            int(tensor.name.removeprefix("direction.")) + 1: np.array(tensor.data, np.float32)
            for tensor in reader.tensors
            if tensor.name.startswith("direction.")
        }
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise ResultFileError(f"{path} cannot be read as GGUF: {error}.") from error
    if found != _ARCHITECTURE or not rows or len({row.shape for row in rows.values()}) > 1:
        raise ResultFileError(
            f"{path} is no control vector: its architecture is {found!r}, and it has {len(rows)} "
            "directions. Give what llama.cpp's cvector-generator, repeng or to_gguf wrote."
        )
    return {layer: torch.from_numpy(rows[layer].ravel()) for layer in sorted(rows)}
