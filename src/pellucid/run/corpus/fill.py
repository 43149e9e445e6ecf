"""Values of a set of texts in memory: room made once, then filled call by call."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import torch
from torch import Tensor

from pellucid.callbacks import LongTask
from pellucid.errors import NonFiniteError
from pellucid.model.sites import Site
from pellucid.run.corpus.calls import planned_calls
from pellucid.run.corpus.reading import Reader
from pellucid.run.corpus.texts import Text

OF_A_TOKEN = 64
"""Bytes that a token takes beside its values: as an id of Python, and in the tables."""


@dataclass(frozen=True)
class Layout:
    """How one site's values are laid out: ``[token ...]``, text behind text.

    A pattern has no value per token: ``[entry]``, for each text its ``[head query key]``.
    """

    site: Site
    row: tuple[int, ...]
    dtype: torch.dtype
    heads: int = 0

    def rows(self, length: int) -> int:
        """Rows that a text of so many tokens takes."""
        return self.heads * length**2 if self.site.kind == "pattern" else length

    def bytes_of(self, length: int) -> int:
        """Bytes of its values."""
        return self.rows(length) * prod(self.row) * self.dtype.itemsize


def layouts_of(reader: Reader, dtype: torch.dtype | None) -> tuple[Layout, ...]:
    """How the values of each site are laid out when kept in ``dtype`` (default: as they are)."""
    return tuple(
        Layout(site, (), dtype or reader.dtypes[site], shape[0])
        if site.kind == "pattern"
        else Layout(site, shape, dtype or reader.dtypes[site])
        for site, shape in reader.shapes.items()
    )


def bytes_kept(layouts: Sequence[Layout], length: int) -> int:
    """What a text of so many tokens takes."""
    return sum(layout.bytes_of(length) for layout in layouts) + OF_A_TOKEN * length


def filled(
    reader: Reader,
    layouts: Sequence[Layout],
    texts: Sequence[Text],
    *,
    room: int,
    device: torch.device | str = "cpu",
    told: LongTask,
) -> dict[Site, Tensor]:
    """Values of ``texts`` at every site; each call takes at most ``room`` bytes.

    **Cost** 1 forward for each text.
    **Raises** ``BudgetError`` when a text does not fit, ``NonFiniteError`` for values that are not
    finite.
    """
    lengths = [len(text.ids) for text in texts]
    values, starts = {}, {}
    for layout in layouts:
        ends = list(accumulate(map(layout.rows, lengths)))
        starts[layout.site] = [0, *ends]
        shape = (ends[-1], *layout.row)
        values[layout.site] = torch.empty(shape, dtype=layout.dtype, device=device)

    def put(site: Site, text: int, value: Tensor) -> None:
        start, end = starts[site][text : text + 2]
        values[site][start:end].copy_(value.reshape(-1) if site.kind == "pattern" else value)

    ids = [text.ids for text in texts]
    for call in planned_calls(reader, lengths, room):
        reader.read(call, ids, put)
        told.step(len(call.places))
    for layout in layouts:
        _demand_finite(values[layout.site], layout, reader)
    return values


def _demand_finite(values: Tensor, layout: Layout, reader: Reader) -> None:
    if all(bool(torch.isfinite(end)) for end in values.aminmax()):
        return
    name, own = layout.site.name, reader.dtypes[layout.site]
    if layout.dtype != own:
        raise NonFiniteError(
            f"Values of {name} are not finite in {layout.dtype}; the model computes in {own}. "
            "Leave dtype= out, or give one of a greater range, such as bfloat16."
        )
    raise NonFiniteError(
        f"Values of {name} are not finite. Open the model in float32, or leave this site out."
    )
