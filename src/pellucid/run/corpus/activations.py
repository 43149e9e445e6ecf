"""``activations``: values at any site for a prompt, or for a corpus that fits in no memory.

1. Sites are named and tried on short prompts (``reading.py``): shapes, where a forward may end,
   what a call takes in memory.
2. Texts are read from wherever they are (``texts.py``), a part at a time.
3. Each part is read in calls that fit into the budget (``calls.py``, ``fill.py``).
4. Parts stay in memory, or are appended to a folder (``store.py``), where each counts once it is
   wholly written.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from pellucid.arguments import checks_kinds
from pellucid.callbacks import LongTask, long_task
from pellucid.errors import BudgetError, EditError, ResultFileError, TaskError
from pellucid.model.model import Model, opened
from pellucid.model.opening.placement import device_for
from pellucid.model.proof.writable import layers_with
from pellucid.model.running.changes import leaves_nothing
from pellucid.model.sites import HOOK_NAMES, Site, site_named
from pellucid.passes import metering
from pellucid.results.disk.folders import growing
from pellucid.results.disk.places import demand_writable, place
from pellucid.run.corpus.container import Activations
from pellucid.run.corpus.fill import Layout, bytes_kept, filled, layouts_of
from pellucid.run.corpus.reading import Batching, Reader, packs, reader_of
from pellucid.run.corpus.store import (
    About,
    Writer,
    demand_same,
    plain_dtype,
    resumable,
    versions,
)
from pellucid.run.corpus.texts import Text, Texts, TooLong, as_tensors, how_many, read_texts

_MEMORY_BUDGET = 2 << 30
"""Bytes for values and calls together, unless the caller says otherwise."""
PART = 256 << 20
"""Bytes of values after which a part is written, at most: what a kill can cost."""
KEPT_IN = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@checks_kinds
@leaves_nothing
def activations(
    model: Model,
    texts: Texts,
    sites: Site | str | Iterable[Site | str],
    *,
    folder: str | Path | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device = "cpu",
    memory_budget: int = _MEMORY_BUDGET,
    batching: Batching = "padded",
    too_long: TooLong = "refuse",
) -> Activations:
    """Values at ``sites`` for every token of ``texts``: what ``run_with_cache`` gives, at any size.

    ``texts`` is a string, token ids, a list or an iterator of these, or a ``Path`` to a ``.txt``
    (one text a line) or ``.jsonl`` file (each line with "text"). ``sites`` are ``Site`` values,
    TransformerLens' hook names (``"blocks.9.attn.hook_z"``), short names (``"L9 z"``), or a kind
    (``"resid_pre"``) for every layer that has it. Layers behind the last site are not run.

    Values are kept on ``device`` in ``dtype`` (default: the model's), or in ``folder``, which is
    opened without being loaded. A folder is there once it is whole; a call that was stopped is gone
    on with by the same call, with the same result, and a whole one is checked and opened.

    ``memory_budget`` is the most that values in memory, and the model's own intermediate values,
    take at once. ``batching="packed"`` puts several texts into a row, where it is shown that this
    changes none of them; else they are padded, and ``notes`` says so. Texts that are longer than
    the model can read are refused, or cut with ``too_long="truncate"``.

    **Cost** 1 forward for each text (up to the last layer needed), and a few short ones at first.
    **Raises** ``EditError`` for a site that is not there, ``ModelError`` for such a device;
    ``TaskError``, ``TokenError``, ``ContextLengthError`` for texts that cannot be read;
    ``BudgetError`` when they do not fit;
    ``NonFiniteError`` for values that are not finite; ``ResultFileError`` for a folder of another
    model, other settings or other texts, or one that cannot be written.
    """
    opened(model)
    wanted = sites_of(model, sites)
    kept_in = _dtype(dtype)
    _demand_choice("batching", batching, get_args(Batching))
    _demand_choice("too_long", too_long, get_args(TooLong))
    if folder is not None and str(device) != "cpu":
        raise TaskError("With folder= values are kept on the disk; leave device= out.")
    kept_on = device_for(str(device))
    target = None if folder is None else place(folder)
    if target is not None and not target.exists():
        demand_writable(target)
    with torch.inference_mode(False):
        reader = reader_of(model, wanted, batching)
    about = About(
        model=model.name,
        weight_hash=model.weight_hash,
        sites=tuple(site.name for site in wanted),
        dtype=plain_dtype(kept_in),
        batching=batching,
        too_long=too_long,
        memory_budget=memory_budget,
        versions=versions(),
    )
    run = _Run(reader, layouts_of(reader, kept_in), about)
    with long_task("Reading activations", total=how_many(texts), unit="texts") as told:
        read = read_texts(model, texts, too_long)
        if target is not None:
            return run.into_folder(read, target, told)
        return run.into_memory(read, kept_on, told)


NOT_PACKED = (
    "Texts were padded: in this model, texts packed into one row do not have the values that they "
    "have alone."
)


class _Run:
    """A reader, how its values are laid out, and the settings."""

    def __init__(self, reader: Reader, layouts: Sequence[Layout], about: About) -> None:
        self.reader, self.layouts, self.about = reader, layouts, about
        self.proved = 0

    def into_memory(
        self, texts: Iterator[Text], device: torch.device, told: LongTask
    ) -> Activations:
        """All values in memory."""
        budget, kept, size = self.about.memory_budget, [], 0
        for text in texts:
            kept.append(text)
            size += bytes_kept(self.layouts, len(text.ids))
            if size > budget:
                raise BudgetError(
                    f"Values of the first {len(kept)} texts take {size / 1e6:,.0f} MB, and "
                    f"memory_budget is {budget / 1e6:,.0f} MB. Give folder=, fewer sites, "
                    'dtype="float16", or a larger memory_budget.'
                )
        self._prove(kept)
        with metering() as meter:
            values = filled(
                self.reader, self.layouts, kept, room=budget - size, device=device, told=told
            )
        tokens, lengths, digests = as_tensors(kept)
        about = replace(self.about, passes=meter.passes)
        return Activations(
            values=values, tokens=tokens, lengths=lengths, digests=digests, about=about
        )

    def into_folder(self, texts: Iterator[Text], target: Path, told: LongTask) -> Activations:
        """Values appended to a folder part by part."""
        if target.exists():
            return self._checked(Activations.open(target), texts, target)
        with growing(target, lambda draft: resumable(draft, self.about)) as draft:
            writer = Writer(draft, target, self.about, self.layouts)
            writer.check(texts)
            told.step(writer.manifest.texts)
            for part, size in self._parts(texts):
                room = self.about.memory_budget - size
                self._prove(part)
                with metering() as meter:
                    values = filled(self.reader, self.layouts, part, room=room, told=told)
                writer.append(part, values, replace(self.about, passes=meter.passes))
                del values
            writer.close()
        return Activations.open(target)

    def _prove(self, texts: Sequence[Text]) -> None:
        """Pack no longer where rows as long as these are not shown to be independent."""
        longest = max(len(text.ids) for text in texts)
        if self.reader.packs and longest > self.proved:
            self.proved = longest
            self.reader = replace(self.reader, packs=packs(self.reader, longest))
        if self.about.batching == "packed" and not self.reader.packs:
            self.about = replace(self.about, notes=(NOT_PACKED,))

    def _parts(self, texts: Iterator[Text]) -> Iterator[tuple[list[Text], int]]:
        """Texts whose values are held together, at most half of the budget, and their size."""
        most = min(PART, self.about.memory_budget // 2)
        part: list[Text] = []
        size = 0
        for text in texts:
            own = bytes_kept(self.layouts, len(text.ids))
            if part and size + own > most:
                yield part, size
                part, size = [], 0
            part.append(text)
            size += own
        if part:
            yield part, size

    def _checked(self, found: Activations, texts: Iterator[Text], target: Path) -> Activations:
        """``found``, if it holds these texts under these settings."""
        if difference := self.about.difference(found.about):
            raise ResultFileError(f"{target} exists, and {difference}. Choose another name.")
        demand_same(found.digests, texts, target)
        if next(texts, None) is not None:
            raise ResultFileError(f"{target} holds the first {found.n_texts} of these texts only.")
        return found


def sites_of(model: Model, sites: Site | str | Iterable[Site | str]) -> tuple[Site, ...]:
    """The sites that are meant, each once.

    **Raises** ``EditError`` for a name that none has, or when there are none.
    """
    listed = [sites] if isinstance(sites, Site | str) else list(sites)
    found: dict[Site, None] = {}
    for one in listed:
        if isinstance(one, str) and one in HOOK_NAMES:
            found |= dict.fromkeys(_in_every_layer(model, one))
        elif isinstance(one, str):
            found[site_named(one)] = None
        elif isinstance(one, Site):
            found[one] = None
        else:
            raise EditError(f"{one!r:.80} is no site. Give a Site, or a name such as 'L9 z'.")
    if not found:
        raise EditError("No site was asked for. Give at least one, such as 'L9 z'.")
    return tuple(found)


def _in_every_layer(model: Model, kind: str) -> Iterator[Site]:
    for layer in layers_with(model.anatomy, kind):  # type: ignore[arg-type]
        yield Site(kind, layer)  # type: ignore[arg-type]


def _dtype(given: str | torch.dtype | None) -> torch.dtype | None:
    found = getattr(torch, given, given) if isinstance(given, str) else given
    if found is not None and found not in KEPT_IN:
        names = ", ".join(str(plain_dtype(one)) for one in KEPT_IN)
        raise TaskError(f"dtype={given!r}: values are kept in one of {names}.")
    return found


def _demand_choice(name: str, given: str, choices: tuple[str, ...]) -> None:
    if given not in choices:
        raise TaskError(f"{name}={given!r} is not known; choose one of {choices}.")
