"""A model that has a name or a place: read, with its tokenizer and what should be known of it.

A GGUF file goes through the cache (`gguf_cache.py`), a folder or a hub name through transformers
(`pretrained.py`), an adapter onto the model that it names (`adapters.py`). A model without a
tokenizer that can be read is a model all the same: it opens, and says so.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pellucid.errors import CorruptModelError, ModelError
from pellucid.model.opening import adapters, placement, pretrained
from pellucid.model.opening.gguf_cache import converted
from pellucid.model.opening.integrity import check_finite
from pellucid.model.opening.sources import (
    AdapterFolder,
    Folder,
    HubName,
    NamedSource,
    Opened,
    Origin,
    Wanted,
    identify_name,
)

WITHOUT_TOKENIZER = (
    "so the model was opened without a tokenizer. Ask in token ids, or open it with tokenizer= "
    "(--tokenizer on the command line): a folder, a hub name, or a tokenizer object."
)


def open_named(what: NamedSource, wanted: Wanted, *, own_tokenizer: bool) -> Opened:
    """The model that `what` names, finite and on its device; with its tokenizer when asked for.

    Raises: as `load`.
    """
    device = placement.device_for(wanted.device)
    opened = _adapter(what, wanted) if isinstance(what, AdapterFolder) else _plain(what, wanted)
    notes = list(opened.origin.notes)
    tokenizer = None
    if own_tokenizer:
        tokenizer, missing = _own_tokenizer(what, wanted)
        notes += [missing] if missing else []
    check_finite(opened.hf)
    origin = replace(opened.origin, notes=tuple(notes))
    hf: Any = opened.hf
    return Opened(hf=hf.to(device), tokenizer=tokenizer, origin=origin)


def tokenizer_of(what: NamedSource, *, offline: bool) -> Any:
    """The tokenizer that lies with the model that `what` names.

    Raises:
        ModelNotFoundError: there is none.
    """
    return _tokenizer_at(_place(what, None, offline))


def _plain(what: NamedSource, wanted: Wanted) -> Opened:
    """A model by itself, read in the dtype asked for."""
    dtype = placement.dtype_for(wanted.dtype)
    place = _place(what, wanted.revision, wanted.offline)
    if place.folder is None:
        name, commit = place.origin.name, str(place.origin.revision)
        hf = pretrained.open_hub(name, commit, dtype, revision=wanted.revision)
    else:
        hf = pretrained.open_folder(place.folder, dtype)
    stored = pretrained.stored_dtype(place.folder, place.origin)
    notes = [*placement.rounding(stored, dtype), *pretrained.code_not_run(hf, place.origin.name)]
    origin = replace(place.origin, stored_dtype=stored, notes=tuple(notes))
    return Opened(hf=hf, tokenizer=None, origin=origin)


def _adapter(what: AdapterFolder, wanted: Wanted) -> Opened:
    """An adapter on the base that it names, or on the whole model that lies beside it."""
    config = adapters.read_config(what.path)
    adapters.demand_peft(str(what.path))
    base = _plain(_base(what.path, config), wanted)
    with pretrained.explained(f"The adapter in {what.path}"):
        hf = adapters.adapted(base.hf, what.path)
    origin = Origin(
        kind="adapter",
        name=what.path.resolve().name,
        path=str(what.path),
        stored_dtype=base.origin.stored_dtype,
        notes=(f"The adapter in {what.path} was put on {base.origin.name}.", *base.origin.notes),
    )
    return Opened(hf=hf, tokenizer=None, origin=origin)


def _base(folder: Path, config: dict[str, Any]) -> NamedSource:
    found = identify_name(adapters.base_of(folder, config))
    if isinstance(found, AdapterFolder):
        raise ModelError(
            f"The base of the adapter in {folder} is itself an adapter. Load both with peft, merge "
            "the first (merge_and_unload), and pass the PeftModel."
        )
    return found


def _own_tokenizer(what: NamedSource, wanted: Wanted) -> tuple[Any, str | None]:
    """The source's own tokenizer, or None and why there is none.

    Raises:
        CorruptModelError: it is there, and damaged.
    """
    places = [_place(what, wanted.revision, wanted.offline)]
    if isinstance(what, AdapterFolder) and not pretrained.has_tokenizer(what.path):
        base = _base(what.path, adapters.read_config(what.path))
        places = [_place(base, wanted.revision, wanted.offline)]
    try:
        return _tokenizer_at(places[0]), None
    except CorruptModelError as error:
        raise error.adding("Or pass another with tokenizer= (--tokenizer).") from error
    except ModelError as error:
        reason = str(error).rstrip(".")
        return None, f"{reason}, {WITHOUT_TOKENIZER}"


@dataclass(frozen=True)
class _Place:
    """Where a name leads: a local folder, or (None) the commit of the hub that `origin` names."""

    origin: Origin
    folder: Path | None


def _place(what: NamedSource, revision: str | None, offline: bool) -> _Place:
    if isinstance(what, HubName):
        commit, folder = pretrained.locate(what.name, revision, offline=offline)
        return _Place(Origin(kind="hub", name=what.name, revision=commit), folder)
    if isinstance(what, Folder | AdapterFolder):
        name = what.path.resolve().name
        return _Place(Origin(kind="folder", name=name, path=str(what.path)), what.path)
    cached = converted(what)
    origin = Origin(
        kind=what.kind,
        name=what.name,
        path=str(what.parts[0]),
        sha256=cached.sha256,
        converted_with=cached.converted_with,
    )
    return _Place(origin, cached.folder)


def _tokenizer_at(place: _Place) -> Any:
    if place.folder is None:
        return pretrained.open_tokenizer(place.origin.name, commit=place.origin.revision)
    return pretrained.open_tokenizer(str(place.folder))
