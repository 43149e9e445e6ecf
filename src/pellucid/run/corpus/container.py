"""Activations as they are looked at: by site, by text, or in batches of tokens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from pellucid.errors import EditError
from pellucid.model.sites import Site, site_named
from pellucid.passes import Passes
from pellucid.results.disk.folders import demand_free, growing
from pellucid.results.disk.growing import GrowingTensor
from pellucid.results.disk.places import place
from pellucid.run.corpus.store import MANIFEST, TABLES, About, Manifest, opened_values

_MIXED = 32
"""Blocks of tokens that are held and shuffled together by ``batches``."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Activations:
    """Values at sites for every token of some texts, one text behind the other.

    ``activations["blocks.3.hook_resid_pre"]`` is ``[token d_model]``; row i belongs to the token
    ``tokens[i]``, at position ``positions[i]`` of text ``text_of[i]``. Of a folder, nothing is
    loaded before it is used.
    """

    values: Mapping[Site, Tensor] = field(repr=False)
    """``[token ...]`` by site; attention patterns as ``[entry]``, text by text."""
    tokens: Int[Tensor, " token"]
    lengths: Int[Tensor, "text 2"]
    """Of each text, the tokens that were read, and those that it had."""
    digests: UInt8[Tensor, "text 32"]
    """SHA-256 of each text's ids as 32-bit integers."""
    about: About

    @property
    def sites(self) -> tuple[Site, ...]:
        """Sites that were read."""
        return tuple(self.values)

    @property
    def n_texts(self) -> int:
        """How many texts there are."""
        return len(self.lengths)

    @property
    def passes(self) -> Passes:
        """What reading cost: a forward for each text."""
        return self.about.passes

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done otherwise than asked for."""
        return self.about.notes

    @cached_property
    def starts(self) -> Int[Tensor, " text_1"]:
        """The first row of each text, and the end of the last."""
        return torch.cat([self.lengths.new_zeros(1), self.lengths[:, 0].cumsum(0)])

    @cached_property
    def text_of(self) -> Int[Tensor, " token"]:
        """The text of each token."""
        return torch.repeat_interleave(torch.arange(self.n_texts), self.lengths[:, 0])

    @cached_property
    def positions(self) -> Int[Tensor, " token"]:
        """The position of each token in its text."""
        return torch.arange(len(self.tokens)) - self.starts[self.text_of]

    @cached_property
    def mask(self) -> Bool[Tensor, "text pos"]:
        """True where ``padded`` has a token."""
        return torch.arange(int(self.lengths[:, 0].max())) < self.lengths[:, :1]

    @property
    def truncated(self) -> tuple[int, ...]:
        """Texts that were cut to what the model can read."""
        return tuple((self.lengths[:, 0] < self.lengths[:, 1]).nonzero()[:, 0].tolist())

    def __getitem__(self, site: Site | str) -> Tensor:
        """Values at a site ``[token ...]``; a pattern as ``padded`` gives it.

        **Raises** ``EditError`` for a site that was not read.
        """
        found = self._site(site)
        return self.padded(found) if found.kind == "pattern" else self.values[found]

    def padded(self, site: Site | str) -> Tensor:
        """Values as a rectangle ``[text pos ...]``, the pattern ``[text head query key]``.

        Zero where ``mask`` is False. The rectangle is made in memory.

        **Raises** ``EditError`` for a site that was not read.
        """
        found = self._site(site)
        values, longest = self.values[found], int(self.lengths[:, 0].max())
        if found.kind != "pattern":
            rectangle = values.new_zeros(self.n_texts, longest, *values.shape[1:])
            rectangle[self.mask.to(values.device)] = values
            return rectangle
        squares = self.lengths[:, 0] ** 2
        heads = len(values) // int(squares.sum())
        rectangle = values.new_zeros(self.n_texts, heads, longest, longest)
        for text, own in enumerate(values.split((heads * squares).tolist())):
            size = int(self.lengths[text, 0])
            rectangle[text, :, :size, :size] = own.reshape(heads, size, size)
        return rectangle

    def text(self, number: int) -> "Activations":
        """Those of one text; values are views.

        **Raises** ``EditError`` for a text that is not there.
        """
        if not -self.n_texts <= number < self.n_texts:
            raise EditError(f"There is no text {number}; there are {self.n_texts}, from 0.")
        number %= self.n_texts
        start, end = self.starts[number : number + 2].tolist()
        squares = self.lengths[:, 0] ** 2
        before, own, every = (
            int(part.sum()) for part in (squares[:number], squares[number], squares)
        )

        def part(site: Site, values: Tensor) -> Tensor:
            if site.kind != "pattern":
                return values[start:end]
            heads = len(values) // every
            return values[heads * before : heads * (before + own)]

        return Activations(
            values={site: part(site, values) for site, values in self.values.items()},
            tokens=self.tokens[start:end],
            lengths=self.lengths[number : number + 1],
            digests=self.digests[number : number + 1],
            about=self.about,
        )

    def batches(
        self, site: Site | str, size: int, *, shuffle_seed: int | None = None
    ) -> Iterator[Tensor]:
        """Values of ``size`` tokens at a time ``[token ...]``; the last may have fewer.

        With ``shuffle_seed`` in an order that the seed decides: blocks of ``size`` neighbours are
        drawn, and the tokens of 32 of them mixed. So 32 batches are held in memory, and no more.

        **Raises** ``EditError`` for a site that was not read or has no value per token.
        """
        found = self._site(site)
        if found.kind == "pattern" or size < 1:
            raise EditError(
                f"{found.name} in batches of {size}: a pattern has no value per token, and a batch "
                "has at least one."
            )
        values = self.values[found]
        if shuffle_seed is None:
            yield from values.split(size)
            return
        generator = torch.Generator().manual_seed(shuffle_seed)
        blocks = -(-len(values) // size)
        rest = values[:0]
        for drawn in torch.randperm(blocks, generator=generator).split(_MIXED):
            held = torch.cat([rest, *(values[b * size : (b + 1) * size] for b in drawn.tolist())])
            held = held[torch.randperm(len(held), generator=generator).to(held.device)]
            whole = len(held) // size * size
            yield from held[:whole].split(size)
            rest = held[whole:]
        if len(rest):
            yield rest

    def save(self, folder: str | Path) -> Path:
        """Write them into a new folder, whole or not at all.

        **Raises** ``ResultFileError`` when the folder exists or cannot be written.
        """
        target = place(folder)
        parts = {name: getattr(self, name) for name in TABLES}
        parts |= {site.name: values for site, values in self.values.items()}
        rows = {name: len(part) for name, part in parts.items()}
        demand_free(target)
        with growing(target, lambda draft: False) as draft:
            for name, part in parts.items():
                kept = part.to(TABLES[name][0]) if name in TABLES else part
                file = GrowingTensor(
                    draft / f"{name}.safetensors", kept.dtype, tuple(kept.shape[1:])
                )
                file.keep(0)
                file.append(kept)
                file.close(len(kept))
            manifest = Manifest(self.about, self.n_texts, rows)
            (draft / MANIFEST).write_bytes(manifest.to_json())
        return target

    @classmethod
    def open(cls, folder: str | Path) -> "Activations":
        """Those of a folder that ``activations(folder=...)`` or ``save`` wrote, not loaded.

        **Raises** ``ResultFileError`` when it is missing, damaged or newer.
        """
        manifest, found = opened_values(place(folder))
        tables = {name: found.pop(name) for name in TABLES}
        values = {site_named(name): part for name, part in found.items()}
        return cls(values=values, about=manifest.about, **tables)

    def _site(self, site: Site | str) -> Site:
        found = site_named(site) if isinstance(site, str) else site
        if found not in self.values:
            names = ", ".join(one.name for one in list(self.values)[:6])
            raise EditError(f"{found.name} was not read. There are {names}.")
        return found

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        sites = f"{len(self.values)} site{'s' * (len(self.values) != 1)}"
        return (
            f"<Activations of {self.about.model}: {self.n_texts} texts, {len(self.tokens)} tokens, "
            f"{sites}>"
        )
