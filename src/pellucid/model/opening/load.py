"""Opening a model: from a name, a file, a folder or an object to one checked model.

1. The arguments are checked; nothing large is imported before that.
2. `sources.identify` says what the source is.
3. It becomes a plain transformers model: a GGUF file through the cache (`gguf_cache.py`), a folder
   or hub name through transformers (`pretrained.py`), an object as it is (`adopt.py`).
4. Its parameters must be finite (`integrity.py`).
5. The tokenizer is the one that was passed, or the source's own.
6. `Model.build` proves that the model's parts add up.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.errors import ModelError
from pellucid.model.opening import placement
from pellucid.model.opening.gguf_cache import converted
from pellucid.model.opening.sources import (
    Folder,
    HeldObject,
    HubName,
    NamedSource,
    Opened,
    Origin,
    Source,
    identify,
    identify_name,
)

if TYPE_CHECKING:
    from pellucid.model.model import Model


def load(
    source: object = None,
    *,
    dtype: object = None,
    device: object = None,
    revision: str | None = None,
    tokenizer: Any = None,
    offline: bool = False,
) -> "Model":
    """Open a causal language model and check that its parts add up.

    `source` is None or "smollm2-135m" (the embedded model), "gemma3-270m", a .gguf file, a
    (folder, GGUF file) pair, a Hugging Face folder, a hub name, a transformers model, a
    TransformerBridge, a HookedTransformer or an nnsight model. `dtype` is float32 and `device` the
    CPU unless given; a model object keeps its own. `revision` is a hub branch, tag or commit.
    `tokenizer` is an object, or anything that `source` can be by name; without it the source's own
    is used. `offline` keeps to files that are already here.

    Assumes: the caller may read the source; no code that comes with a model is run.
    Cost: reading the weights; a GGUF file is converted once (10 s for 135M parameters).

    Raises:
        ModelNotFoundError: nothing is there, or the hub did not answer.
        CorruptModelError: files that are cut short, missing weights, or values that are not finite.
        MissingDependencyError: a package is needed; gives the command.
        UnsupportedArchitectureError: not a causal language model that can be taken apart.
        ModelError: an argument that does not fit.

    Example:
        >>> model = load("smollm2-135m")  # doctest: +SKIP
    """
    opened = resolve(
        source, dtype=dtype, device=device, revision=revision, tokenizer=tokenizer, offline=offline
    )
    from pellucid.model.model import Model

    return Model.build(opened.hf, opened.tokenizer, opened.origin)


def resolve(
    source: object = None,
    *,
    dtype: object = None,
    device: object = None,
    revision: str | None = None,
    tokenizer: Any = None,
    offline: bool = False,
) -> Opened:
    """Return the transformers model, its tokenizer and its origin, as `load` does before checking.

    Raises: as `load`.
    """
    dtype_name = placement.dtype_name(dtype)
    device_name = placement.device_name(device)
    what = identify(source)
    if revision is not None and not isinstance(what, HubName):
        raise ModelError("revision= belongs to a hub name, and this source is not one.")
    tokenizer_source = _checked_tokenizer(tokenizer)
    opened = _opened(what, dtype_name, device_name, revision, offline, own=tokenizer is None)
    if tokenizer is None:
        return opened
    if tokenizer_source is None:
        return replace(opened, tokenizer=tokenizer)
    return replace(opened, tokenizer=_tokenizer_at(_place(tokenizer_source, None, offline)))


def _opened(
    what: Source,
    dtype_name: str | None,
    device_name: str | None,
    revision: str | None,
    offline: bool,
    *,
    own: bool,
) -> Opened:
    """Open `what`; with its own tokenizer when `own`, else without one."""
    from pellucid.model.opening.integrity import check_finite

    if isinstance(what, HeldObject):
        opened = _adopted(what, dtype_name, device_name)
        check_finite(opened.hf)
        return opened
    device = placement.device_for(device_name)
    dtype = placement.dtype_for(dtype_name)
    from pellucid.model.opening import pretrained

    place = _place(what, revision, offline)
    if place.folder is None:
        name, commit = place.origin.name, str(place.origin.revision)
        hf = pretrained.open_hub(name, commit, dtype)
    else:
        hf = pretrained.open_folder(place.folder, dtype)
    own_tokenizer = _tokenizer_at(place) if own else None
    check_finite(hf)
    return Opened(hf=hf.to(device), tokenizer=own_tokenizer, origin=place.origin)


@dataclass(frozen=True)
class _Place:
    """Where a name leads: a local folder, or (None) the commit of the hub that `origin` names."""

    origin: Origin
    folder: Path | None


def _place(what: NamedSource, revision: str | None, offline: bool) -> _Place:
    from pellucid.model.opening import pretrained

    if isinstance(what, HubName):
        commit, folder = pretrained.locate(what.name, revision, offline=offline)
        return _Place(Origin(kind="hub", name=what.name, revision=commit), folder)
    if isinstance(what, Folder):
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
    from pellucid.model.opening import pretrained

    if place.folder is None:
        return pretrained.open_tokenizer(place.origin.name, commit=place.origin.revision)
    return pretrained.open_tokenizer(str(place.folder))


def _adopted(held: HeldObject, dtype_name: str | None, device_name: str | None) -> Opened:
    from pellucid.model.opening.adopt import adopt

    hf, tokenizer = adopt(held.kind, held.model)
    found = str(hf.dtype).removeprefix("torch."), str(hf.device)
    if dtype_name not in (None, found[0]) or (
        device_name not in (None, found[1], found[1].split(":")[0])
    ):
        raise ModelError(
            f"A model object is taken as it is, and this one is {found[0]} on {found[1]}. "
            "Leave dtype= and device= out, or move it yourself with model.to(...)."
        )
    name = getattr(hf.config, "name_or_path", "") or type(hf).__name__
    path = name if os.path.isdir(name) else None
    origin = Origin(kind=held.kind, name=Path(name).name if path else name, path=path)
    return Opened(hf=hf, tokenizer=tokenizer, origin=origin)


def _checked_tokenizer(tokenizer: object) -> NamedSource | None:
    """Say where a tokenizer given by name is; None for a tokenizer object or none at all."""
    if isinstance(tokenizer, str | os.PathLike | tuple):
        return identify_name(tokenizer)
    if tokenizer is not None and not (callable(tokenizer) and hasattr(tokenizer, "decode")):
        raise ModelError(
            f"tokenizer is a {type(tokenizer).__name__}, and should be a transformers tokenizer, "
            "a folder or a hub name."
        )
    return None
