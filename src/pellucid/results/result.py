"""What every result has in common: JSON, saving and loading, nothing pickled.

A result is a frozen dataclass. ``to_json`` gives one JSON document with numbers in full;
``save`` writes a folder with JSON and tensors, whole or not at all (``saved.py``).
What was changed since it was written is refused (``checksum.py``).
"""

import dataclasses
import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from pellucid.arguments import checks_kinds
from pellucid.errors import ResultFileError
from pellucid.results.checksum import (
    CHECKSUM,
    demand_unchanged,
    digest_of_file,
    read_json,
    signed,
)
from pellucid.results.disk.folders import replacing
from pellucid.results.disk.saved import INDEX, SAVED, tensors_beside, tensors_name
from pellucid.results.fields import check_fields
from pellucid.results.prose import Section
from pellucid.results.provenance import Provenance
from pellucid.results.registry import full_name, register, registered, written_name
from pellucid.results.views import shown, shows

SCHEMA = 2
"""Version of the JSON layout; a higher one is refused. Files of 1 had no checksum."""
UNCHECKED = (
    "Read from a file of an early version, without a checksum: nothing shows whether its numbers "
    "are those that were measured. Make it again to be sure."
)

R = TypeVar("R", bound="Result")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """Base of results: knows how to be written down and read back. It and what is on it are frozen.

    ``class Mine(Result, name="mylab.Mine")`` declares the full name under which it is saved;
    without one it is that of its module and class.
    """

    provenance: Provenance | None = field(default=None, compare=False, repr=False)
    """How it was made; None for what an early version saved, and what was put together by hand."""

    def __init_subclass__(cls, *, name: str | None = None) -> None:
        register(cls, name)

    def to_json(self, *, indent: int | None = None) -> str:
        """One JSON document; tensors are nested lists, what is not finite is null."""
        body = to_plain(self, _listed)
        return json.dumps(signed({"schema": SCHEMA, **body}), indent=indent, allow_nan=False)

    def derived(self) -> dict[str, Any]:
        """What is computed from the fields and shown beside them; by name."""
        return {}

    def parts(self) -> "tuple[Result, ...]":
        """Results inside this one that a page can show by themselves."""
        return ()

    def story(self) -> tuple[Section, ...]:
        """What the numbers say, in sentences that keep where each number came from."""
        return tuple(shown(self, "story"))

    def to_html(self) -> str:
        """One HTML file that draws this result; it opens from a disk and fetches nothing."""
        return str(shown(self, "page"))

    def to_markdown(self) -> str:
        """What the numbers say and the table, as Markdown."""
        return str(shown(self, "markdown"))

    def _repr_html_(self) -> str:
        return str(shown(self, "frame"))

    def save(self, path: str | Path) -> Path:
        """Write the folder ``path``: JSON beside tensors. A saved result there is replaced.

        At every moment the old or the new one stands there whole. Other files in it are left alone.

        **Raises** ``ResultFileError`` when the place cannot be written, or holds something else.
        """
        from safetensors.torch import save_file

        tensors: dict[str, Tensor] = {}

        def keep(tensor: Tensor) -> dict[str, Any]:
            key = f"t{len(tensors)}"
            tensors[key] = tensor.detach().cpu().contiguous().clone()
            return {"stored": key}

        body = {"schema": SCHEMA, **to_plain(self, keep)}
        with replacing(path, SAVED) as draft:
            beside = draft / "tensors"
            save_file(tensors, str(beside))
            digest = digest_of_file(beside)
            beside.rename(draft / tensors_name(digest))
            body = signed({**body, "tensors": digest})
            (draft / INDEX).write_text(json.dumps(body, indent=1, allow_nan=False))
        return Path(path)

    @classmethod
    @checks_kinds
    def load(cls: type[R], path: str | Path) -> R:
        """Read the folder that ``save`` wrote, or a file that holds what ``to_json`` gave.

        ``Result.load`` reads every kind.

        A file of an early version, without a checksum, is read with a warning, and its provenance
        notes it.

        **Raises** ``ResultFileError`` when it is missing, damaged, newer, or another kind, or when
        anything in it is not as it was written.
        """
        place = Path(path)
        try:
            text, tensors = _contents(place)
        except (OSError, ValueError) as error:
            raise _unreadable(str(place), error) from error
        return _read(cls, text, tensors, str(place))

    @classmethod
    @checks_kinds
    def from_json(cls: type[R], text: str, *, tensors: bytes = b"") -> R:
        """Read what ``to_json`` gave; ``Result.from_json`` reads every kind.

        What was not finite in a tensor is NaN then.
        ``result.json`` of a saved folder is read with the bytes of the tensors beside it.

        **Raises** ``ResultFileError`` as ``load`` does.
        """
        return _read(cls, text, tensors, "This JSON")


@shows(Result, "story")
def untold(result: Result) -> tuple[Section, ...]:
    """Nothing is said of a result for which nothing else is registered."""
    return ()


def to_plain(value: Any, tensor: Callable[[Tensor], Any]) -> Any:
    """JSON values for what a result may hold; ``tensor`` says how a tensor is written."""
    if isinstance(value, Tensor):
        return tensor(value.detach().cpu())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = written_name(type(value))
        fields = {
            f.name: to_plain(getattr(value, f.name), tensor) for f in dataclasses.fields(value)
        }
        return {"type": kind, "fields": fields}
    if isinstance(value, dict):
        return {"mapping": {str(k): to_plain(v, tensor) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return [to_plain(v, tensor) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def _read(cls: type[R], text: str, tensors: bytes, what: str) -> R:
    """The result in ``text``; ``what`` names its place in errors."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        body = read_json(text)
        held = load(tensors) if tensors else {}
        _, kind = body["schema"], body["type"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError,
            SafetensorError) as error:  # fmt: skip
        raise _unreadable(what, error) from error
    checked = _as_written(body, tensors, what)
    wanted = _kind(kind, what) if cls is Result else cls
    if not _is_of(kind, wanted):
        raise ResultFileError(
            f"{what} holds the kind {kind}, not {written_name(wanted)}. Read it with {kind}.load."
        )
    try:
        found: R = _decode(body, held)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        raise ResultFileError(f"{what} is damaged: {error!r}. Make it again.") from error
    return found if checked else _marked(found, what)


def _contents(place: Path) -> tuple[str, bytes]:
    """The JSON and the tensors of a saved result, which may be replaced meanwhile."""
    file = place if place.is_file() else place / INDEX
    while True:
        index = file.read_bytes()
        beside = tensors_beside(file.parent, index) if file.name == INDEX else None
        if beside is None:
            return index.decode(), b""
        try:
            return index.decode(), beside.read_bytes()
        except FileNotFoundError:
            if place.is_file() and "tensors" not in json.loads(index):
                return index.decode(), b""  # an early file that holds everything
            if file.read_bytes() == index:
                raise


def _as_written(body: Mapping[str, Any], tensors: bytes, what: str) -> bool:
    """Whether the checksum shows that nothing was changed; False for files that never had one.

    **Raises** ``ResultFileError`` for another layout, and for what was changed.
    """
    schema = body["schema"]
    whole = type(schema) is int
    if whole and schema == 1 and not {CHECKSUM, "tensors"} & set(body):
        return False
    if not whole or schema != SCHEMA:
        newer = whole and schema > SCHEMA
        raise ResultFileError(
            f"{what} was written with schema {schema!r}; this version reads up to {SCHEMA}. "
            f"{'Upgrade pellucid' if newer else 'Take an unchanged copy'}."
        )
    try:
        demand_unchanged(body, tensors)
    except ValueError as error:
        raise ResultFileError(
            f"{what} was changed since it was written: {error}. Its numbers are not those that "
            "were measured. Take an unchanged copy, or make it again."
        ) from error
    return True


def _marked(found: R, what: str) -> R:
    """``found`` with a note in its provenance that it could not be checked."""
    warnings.warn(f"{what}: {UNCHECKED}", stacklevel=4)
    if found.provenance is None:
        return found
    return replace(found, provenance=replace(found.provenance, note=UNCHECKED))


def _unreadable(what: str, error: Exception) -> ResultFileError:
    return ResultFileError(
        f"{what} is not a readable saved result: {type(error).__name__}: {error}. Give a folder "
        "that save() or `--out NAME` wrote, or a .json file of `--out NAME.json` or to_json()."
    )


def _is_of(kind: Any, wanted: type[Result]) -> bool:
    """Whether a name in a file means ``wanted``; early files have no dot in foreign names."""
    if kind in (written_name(wanted), full_name(wanted)):
        return True
    return kind == wanted.__name__ and registered(kind) is wanted


def _kind(name: Any, what: str) -> type[Result]:
    """The class of a kind; the module of one of Pellucid's may not have been loaded yet."""
    import pellucid

    found = registered(name) if isinstance(name, str) else None
    if found is None and isinstance(name, str) and "." not in name:
        home = pellucid if name in pellucid.__all__ else pellucid.zoo
        found = getattr(home, name, None)
    if not (isinstance(found, type) and issubclass(found, Result)):
        advice = "Upgrade pellucid."
        if isinstance(name, str) and "." in name:
            advice = f"Import the module that defines {name} first."
        raise ResultFileError(
            f"{what} holds the kind {name!r}, which this version does not know. {advice}"
        )
    return found


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v, tensors) for v in value)
    if not isinstance(value, dict):
        return value
    if "stored" in value:
        return tensors[value["stored"]]
    if "tensor" in value:
        return _from_lists(value)
    if "number" in value:
        return float(value["number"])
    if "mapping" in value:
        return {k: _decode(v, tensors) for k, v in value["mapping"].items()}
    kind = registered(value["type"])
    if kind is None:
        raise ValueError(f"{value['type']!r} is not known. Import the module that defines it")
    made = kind(**{name: _decode(v, tensors) for name, v in value["fields"].items()})
    check_fields(made)
    return made


def _listed(tensor: Tensor) -> dict[str, Any]:
    """The shape is there for tensors without entries, whose lists do not show it."""
    shape = list(tensor.shape)
    return {"tensor": _finite(tensor.tolist()), "dtype": _dtype(tensor), "shape": shape}


def _from_lists(value: dict[str, Any]) -> Tensor:
    dtype = getattr(torch, str(value["dtype"]), None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{value['dtype']!r} is no dtype")
    tensor = torch.tensor(_with_nan(value["tensor"]), dtype=dtype)
    return tensor.reshape(value["shape"]) if "shape" in value else tensor


def _with_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_nan(v) for v in value]
    return math.nan if value is None else value


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def as_tensor(values: Any) -> Tensor:
    """A detached CPU tensor, as results keep them."""
    return torch.as_tensor(values).detach().cpu()
