"""From token ids to the rectangles that a model runs on.

1. A contrast whose answer and foil are one token each is one row: the prompt. Its one *read* is
   the prompt's last position, where both tokens are scored.
2. A contrast with a longer answer or foil is two rows: prompt + answer[:-1] and prompt +
   foil[:-1]. Each continuation token is scored at the position before it, so a row's reads are the
   prompt's last position and those after it.
3. Rows are padded to one length. In a causal model, padding on the right cannot reach any real
   position, so it needs no mask; ``position_ids`` and ``real`` are there for padding on the left.

One rule then covers both cases: the log-probability of an answer is the sum, over the reads of its
example, of log p(answers[row, read]) where ``answers_real[row, read]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pellucid.stats.units import Units

Padding = Literal["right", "left"]
Ids = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """One contrast as ids, already validated."""

    clean: Ids
    corrupted: Ids
    answer: Ids
    foil: Ids

    def rows(self) -> list["Row"]:
        """One row, or two when a continuation has several tokens; without a foil always one."""
        if len(self.answer) == len(self.foil) == 1:
            return [Row(self.clean, self.corrupted, self.answer, self.foil)]
        if not self.foil:
            more = self.answer[:-1]
            return [Row(self.clean + more, self.corrupted + more, self.answer, ())]
        grown = [
            (self.clean + more[:-1], self.corrupted + more[:-1])
            for more in (self.answer, self.foil)
        ]
        return [Row(*grown[0], self.answer, ()), Row(*grown[1], (), self.foil)]


@dataclass(frozen=True)
class Row:
    """One row before padding; the scored tokens belong to its last positions."""

    clean: Ids
    corrupted: Ids
    answer: Ids
    foil: Ids

    @property
    def n_reads(self) -> int:
        """Positions whose logits are read."""
        return max(len(self.answer), len(self.foil))


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A batch of contrasts as the model runs it and as metrics read it."""

    clean: Int[Tensor, "row pos"]
    corrupted: Int[Tensor, "row pos"]
    real: Bool[Tensor, "row pos"]
    """False on padding."""
    example: Int[Tensor, " row"]
    """The contrast that a row belongs to."""
    reads: Int[Tensor, "row read"]
    """Positions whose logits are read; a row with fewer reads repeats its last one."""
    answers: Int[Tensor, "row read"]
    """The answer's token scored at each read; 0 where ``answers_real`` is False."""
    answers_real: Bool[Tensor, "row read"]
    foils: Int[Tensor, "row read"]
    """The foil's token scored at each read; 0 where ``foils_real`` is False."""
    foils_real: Bool[Tensor, "row read"]
    clean_labels: tuple[tuple[str, ...], ...]
    """Tokens for display, one string a column, "" on padding."""
    corrupted_labels: tuple[tuple[str, ...], ...]
    n_examples: int
    first_difference: int
    """Columns at the start in which clean and corrupted tokens are equal in every row; 0 when rows
    of several lengths are padded on the left."""
    notes: tuple[str, ...] = ()
    """What is legal but perhaps not meant."""
    shared: Units | None = None
    """What examples share; None where nothing was said."""

    @property
    def units(self) -> Units:
        """The examples as units of intervals."""
        return self.shared or Units(n=self.n_examples)

    @property
    def position_ids(self) -> Int[Tensor, "row pos"]:
        """Position of each token in its own row: 0 at the first real one, 0 on padding before it.

        Padding on the left without these gives a model with learned positions wrong logits, and no
        error.
        """
        return (self.real.long().cumsum(-1) - 1).clamp(min=0)

    @property
    def reads_real(self) -> Bool[Tensor, "row read"]:
        """False where a read only repeats another to fill the rectangle."""
        return self.answers_real | self.foils_real

    def of_prompts(self, labels: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        """``clean_labels`` or ``corrupted_labels`` by example, of its prompt alone.

        What a row holds of the answer or the foil, and padding behind it, is left out; padding
        before it is kept, "", so that labels stand at their columns.
        """
        owners, reads = self.example.tolist(), self.reads[:, 0].tolist()
        rows = [owners.index(example) for example in range(self.n_examples)]
        return tuple(labels[row][: reads[row] + 1] for row in rows)

    @property
    def padded(self) -> bool:
        """Whether any row has padding."""
        return not bool(self.real.all())

    @property
    def resolved(self) -> tuple[Resolved, ...]:
        """The contrasts that were packed, one an example, without padding."""
        return tuple(_resolved(self, example) for example in range(self.n_examples))

    def to(self, device: torch.device | str) -> "Encoded":
        """This batch with its tensors on ``device``."""
        tensors: dict[str, Any] = {
            field.name: value.to(device)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return replace(self, **tensors)

    def take(self, examples: Sequence[int]) -> "Encoded":
        """The batch of these examples only, in this order, renumbered from 0; columns stay."""
        owner = self.example.tolist()
        chosen = [(new, row) for new, old in enumerate(examples) for row in _rows_of(owner, old)]
        rows = [row for _, row in chosen]
        tensors: dict[str, Any] = {
            field.name: value[rows]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        tensors["example"] = torch.tensor([new for new, _ in chosen], device=self.example.device)
        return replace(
            self,
            **tensors,
            clean_labels=tuple(self.clean_labels[row] for row in rows),
            corrupted_labels=tuple(self.corrupted_labels[row] for row in rows),
            n_examples=len(examples),
            shared=self.units.take(examples),
            first_difference=(
                shared_columns(tensors["clean"], tensors["corrupted"])
                if bool(tensors["real"][:, 0].all())
                else 0
            ),
        )


def _resolved(encoded: Encoded, example: int) -> Resolved:
    """The inverse of ``Resolved.rows`` and ``pack`` for one example."""
    rows = _rows_of(encoded.example.tolist(), example)
    first, last = rows[0], rows[-1]
    answer = _real(encoded.answers[first], encoded.answers_real[first])
    foil = _real(encoded.foils[last], encoded.foils_real[last])
    grown = len(answer) - 1 if len(rows) > 1 or not foil else 0
    clean, corrupted = (
        _real(tokens[first], encoded.real[first]) for tokens in (encoded.clean, encoded.corrupted)
    )
    length = len(clean) - grown
    return Resolved(clean=clean[:length], corrupted=corrupted[:length], answer=answer, foil=foil)


def _real(tokens: Int[Tensor, " n"], real: Bool[Tensor, " n"]) -> Ids:
    return tuple(tokens[real].tolist())


def _rows_of(owner: Sequence[int], example: int) -> list[int]:
    """Rows that belong to ``example``."""
    found = [row for row, of in enumerate(owner) if of == example]
    if not found:
        raise IndexError(f"example {example} of a batch of {max(owner) + 1}")
    return found


def pack(
    resolved: Sequence[Resolved],
    names: dict[int, str],
    *,
    padding: Padding = "right",
    pad_id: int = 0,
    notes: tuple[str, ...] = (),
    units: Units | None = None,
) -> Encoded:
    """The rectangles of validated contrasts; ``names`` says how each id is displayed."""
    owned = [(example, row) for example, one in enumerate(resolved) for row in one.rows()]
    rows = [row for _, row in owned]
    width, n_reads = max(len(r.clean) for r in rows), max(r.n_reads for r in rows)
    clean, corrupted, labels, other_labels, real, reads = [], [], [], [], [], []
    for row in rows:
        empty = width - len(row.clean)
        before, after = (empty, 0) if padding == "left" else (0, empty)
        start, last = before + len(row.clean) - row.n_reads, before + len(row.clean) - 1
        clean.append([pad_id] * before + list(row.clean) + [pad_id] * after)
        corrupted.append([pad_id] * before + list(row.corrupted) + [pad_id] * after)
        labels.append(("",) * before + tuple(names[i] for i in row.clean) + ("",) * after)
        other_labels.append(("",) * before + tuple(names[i] for i in row.corrupted) + ("",) * after)
        real.append([False] * before + [True] * len(row.clean) + [False] * after)
        reads.append([min(start + step, last) for step in range(n_reads)])
    clean_ids, corrupted_ids = torch.tensor(clean), torch.tensor(corrupted)
    return Encoded(
        clean=clean_ids,
        corrupted=corrupted_ids,
        real=torch.tensor(real),
        example=torch.tensor([example for example, _ in owned]),
        reads=torch.tensor(reads),
        answers=torch.tensor([_filled(r.answer, n_reads, 0) for r in rows]),
        answers_real=torch.tensor([_filled([True] * len(r.answer), n_reads, False) for r in rows]),
        foils=torch.tensor([_filled(r.foil, n_reads, 0) for r in rows]),
        foils_real=torch.tensor([_filled([True] * len(r.foil), n_reads, False) for r in rows]),
        clean_labels=tuple(labels),
        corrupted_labels=tuple(other_labels),
        n_examples=len(resolved),
        first_difference=(
            0
            if padding == "left" and len({len(r.clean) for r in rows}) > 1
            else shared_columns(clean_ids, corrupted_ids)
        ),
        notes=notes,
        shared=units,
    )


def _filled(values: Sequence[int], length: int, by: int) -> list[int]:
    """``values`` made ``length`` long."""
    return [*values, *[by] * (length - len(values))]


def shared_columns(clean: Int[Tensor, "row pos"], corrupted: Int[Tensor, "row pos"]) -> int:
    """Columns at the start in which the two never differ."""
    differs = (clean != corrupted).any(0)
    return int(differs.int().argmax()) if bool(differs.any()) else clean.shape[1]
