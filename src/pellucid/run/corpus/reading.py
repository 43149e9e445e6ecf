"""One call: values at sites, put where they belong, and nothing run that no site needs.

1. ``reader_of`` tries the model on short prompts: which shapes the sites have, whether a forward
   may end behind the last layer that is read (then the values must be the same, bit for bit), and
   what a call takes in memory.
2. ``Reader.read`` runs a call and copies each text's values where they belong.

A *call* is a rectangle ``[row pos]`` of texts: one a row, padded on the right, or several behind
one another (packed) with positions that begin again at 0.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal, TypeAlias

import torch
from jaxtyping import Int
from torch import Tensor, nn

from pellucid.model.detection.probe import TOLERANCE, ordinary_tokens
from pellucid.model.model import Model
from pellucid.model.running.changes import Changed
from pellucid.model.running.early_stop import stopping_after
from pellucid.model.running.foreign import foreign_hooks, without_foreign
from pellucid.model.running.forward import Batch, forward, parameters_of, undisturbed
from pellucid.model.running.hooks import hook_before
from pellucid.model.running.rope import by_length
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site
from pellucid.run.corpus.cost import CallBytes, measured

Batching: TypeAlias = Literal["padded", "packed"]
FAILS = (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError)
"""What a model raises that cannot be run in some way; it is then run plainly."""

NOT_MEASURED = CallBytes(0.0, 0.0, 0.0)
SHORTEST_ROW = 6
"""Tokens of a row in which three texts can stand."""


@dataclass(frozen=True)
class TextPlace:
    """Where a text stands in a call."""

    text: int
    row: int
    start: int
    length: int


@dataclass(frozen=True)
class ReadCall:
    """A rectangle of texts."""

    rows: int
    length: int
    places: tuple[TextPlace, ...]

    @property
    def lengths(self) -> Int[Tensor, " row"]:
        """Tokens of the longest text of each row."""
        found = torch.zeros(self.rows, dtype=torch.long)
        for place in self.places:
            found[place.row] = max(int(found[place.row]), place.length)
        return found

    def tensors(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Tokens and positions ``[row pos]``; 0 where nothing stands."""
        tokens = torch.zeros(self.rows, self.length, dtype=torch.long)
        positions = torch.zeros_like(tokens)
        for place in self.places:
            span = slice(place.start, place.start + place.length)
            tokens[place.row, span] = torch.tensor(ids[place.text])
            positions[place.row, span] = torch.arange(place.length)
        return tokens, positions


Put: TypeAlias = Callable[[Site, int, Tensor], None]
"""Takes the values of one site on one text: ``[pos ...]``, the pattern's ``[head query key]``."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How a model's sites are read."""

    model: Model
    sites: tuple[Site, ...]
    last: int | None
    """The last layer that is run; None for a whole forward."""
    shapes: Mapping[Site, tuple[int, ...]]
    """Of each site's value at one position; of the pattern, its number of heads."""
    dtypes: Mapping[Site, torch.dtype]
    packs: bool = False
    """Whether calls may hold several texts a row."""
    cost: CallBytes = NOT_MEASURED

    def read(self, call: ReadCall, ids: Sequence[Sequence[int]], put: Put) -> None:
        """Run ``call`` and hand each text's values to ``put``.

        **Cost** 1 forward for each text, in one call.
        """
        model = self.model
        tokens, positions = (part.to(model.device) for part in call.tensors(ids))
        reads = None if self.last is not None else tokens.new_zeros(len(tokens), 1)
        with ExitStack() as stack:
            stack.enter_context(undisturbed(model.module))
            stack.enter_context(torch.no_grad())
            if self.last is not None:
                stack.enter_context(stopping_after(model.anatomy, self.last))
            if self.packs:
                stack.enter_context(_positioned(model.module, positions))
            taps = {site: _tap(site, call, put) for site in self.sites}
            batch = Batch(
                tokens=tokens,
                reads=reads,
                lengths=call.lengths.to(model.device),
                forwards=len(call.places),
            )
            forward(model.module, model.anatomy, batch, taps=taps)


def reader_of(model: Model, sites: Sequence[Site], batching: Batching) -> Reader:
    """A reader of ``sites``, tried on short prompts.

    While others have hooks on the model, which may look at positions by their numbers, whole
    forwards of single texts are run.

    **Cost** 5 forwards of at most 32 tokens, 4 more for ``"packed"``.
    **Raises** ``EditError`` for a site that the model does not have.
    """
    plain = not foreign_hooks(model.module)
    alone = bool(by_length(model.module))  # a packed row has one length for all of its texts
    with without_foreign(model.module):
        return _tried(
            model, sites, ends=plain, packing=plain and not alone and batching == "packed"
        )


def _tried(model: Model, sites: Sequence[Site], *, ends: bool, packing: bool) -> Reader:
    """A reader that ends early and packs texts if it may, and that changes nothing."""
    most = min(32, model.max_positions or 32)
    short = prompts(model, (min(8, most),))
    reader = Reader(model=model, sites=tuple(sites), last=None, shapes={}, dtypes={})
    seen = _values(reader, *short)
    reader = replace(
        reader,
        shapes={
            site: tuple(
                seen[site, 0].shape[:1] if site.kind == "pattern" else seen[site, 0].shape[1:]
            )
            for site in sites
        },
        dtypes={site: seen[site, 0].dtype for site in sites},
    )
    last = max(site.layer - (site.kind == "resid_pre") for site in sites)
    ending = replace(reader, last=max(last, 0))
    ends = ends and model.check.can_start_late
    if ends and _same(seen, lambda: _values(ending, *short), exactly=True):
        reader = ending
    if packing and packs(reader, most):
        reader = replace(reader, packs=True)
    blocks = [block.module for block in model.anatomy.blocks]

    def run(length: int) -> None:
        lengths = _thirds(length) if reader.packs and length >= SHORTEST_ROW else (length,)
        reader.read(*prompts(model, lengths), _ignore)

    return replace(reader, cost=measured(run, blocks, model.max_positions))


def packs(reader: Reader, length: int) -> bool:
    """Whether texts packed into rows of ``length`` tokens have the values that they have alone.

    **Cost** 4 forwards.
    """
    if "position_ids" not in parameters_of(reader.model.module) or length < SHORTEST_ROW:
        return False
    call, ids = prompts(reader.model, _thirds(length))
    alone: dict[tuple[Site, int], Tensor] = {}
    for text, own in enumerate(ids):
        one = ReadCall(1, len(own), (TextPlace(text, 0, 0, len(own)),))
        alone |= _values(reader, one, ids)
    packing = replace(reader, packs=True)
    return _same(alone, lambda: _values(packing, call, ids), exactly=False)


def prompts(model: Model, lengths: Sequence[int]) -> tuple[ReadCall, list[list[int]]]:
    """Texts of these lengths from ordinary tokens, behind one another in one row."""
    ids = (ordinary_tokens(model.module) * sum(lengths))[: sum(lengths)]
    ends = list(accumulate(lengths))
    places = [
        TextPlace(i, 0, end - n, n) for i, (end, n) in enumerate(zip(ends, lengths, strict=True))
    ]
    own = [ids[place.start : place.start + place.length] for place in places]
    return ReadCall(1, sum(lengths), tuple(places)), own


def _values(
    reader: Reader, call: ReadCall, ids: Sequence[Sequence[int]]
) -> dict[tuple[Site, int], Tensor]:
    found: dict[tuple[Site, int], Tensor] = {}

    def put(site: Site, text: int, value: Tensor) -> None:
        found[site, text] = value.clone()

    reader.read(call, ids, put)
    return found


def _same(
    plain: Mapping[tuple[Site, int], Tensor],
    run: Callable[[], Mapping[tuple[Site, int], Tensor]],
    *,
    exactly: bool,
) -> bool:
    """Whether ``run`` gives the plain values; any failure only means that it is not used."""
    try:
        found = run()
    except FAILS:
        return False
    return all(
        found[key].shape == value.shape
        and float((found[key] - value).abs().max())
        <= (0.0 if exactly else TOLERANCE.get(value.dtype, 1e-4)) * float(value.abs().max())
        for key, value in plain.items()
    )


def _tap(site: Site, call: ReadCall, put: Put) -> Tap:
    def tap(value: Tensor) -> None:
        for place in call.places:
            span = slice(place.start, place.start + place.length)
            own = value[place.row]
            put(site, place.text, own[:, span, span] if site.kind == "pattern" else own[span])

    return tap


def _ignore(site: Site, text: int, value: Tensor) -> None:
    """Takes values, and leaves them."""


def _positioned(module: nn.Module, positions: Tensor) -> Changed:
    """A block in which the model is given position ids.

    From them transformers sees where a packed text begins.
    """

    def add(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        return args, {**kwargs, "position_ids": positions}

    return Changed([hook_before(module, add)])


def _thirds(length: int) -> tuple[int, ...]:
    return (length // 2, length // 3, length - length // 2 - length // 3)
