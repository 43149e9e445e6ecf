"""A forward that ends after a layer: what comes behind it is not computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from pellucid.model.anatomy import Anatomy
from pellucid.model.running.forward import passing_on
from pellucid.model.running.hooks import overridden


@contextmanager
def stopping_after(anatomy: Anatomy, layer: int) -> Iterator[None]:
    """Inside, blocks behind ``layer`` pass their input on, and there are no logits.

    **Assumes** a model that was shown to start late: its blocks can be passed by, and read nothing
    of each other but the stream.
    """
    behind: dict[nn.Module, Any] = {
        block.module: passing_on(block) for block in anatomy.blocks[layer + 1 :]
    }
    with overridden({**behind, anatomy.unembed: _no_logits}):
        yield


def _no_logits(stream: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return stream.new_zeros(*stream.shape[:-1], 1)
