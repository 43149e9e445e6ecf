"""Whether a file still says what was written into it: a checksum over every number and field.

    body        {"schema": 2, "type": ..., "fields": ..., "tensors": SHA-256 of the file beside it}
    checksum    SHA-256 of the body as JSON with sorted keys and without spaces

It tells a file that was changed, by hand or by a disk, from one that was not. It is no signature:
who changes a file on purpose can compute it again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

CHECKSUM = "checksum"


def signed(body: Mapping[str, Any]) -> dict[str, Any]:
    """``body`` with its checksum."""
    return {**body, CHECKSUM: checksum_of(body)}


def checksum_of(body: Mapping[str, Any]) -> str:
    """The checksum of everything in ``body`` beside a checksum.

    **Raises** ``ValueError`` for numbers that are not finite.
    """
    rest = {key: value for key, value in body.items() if key != CHECKSUM}
    plain = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode("ascii")).hexdigest()


def read_json(text: str) -> Any:
    """JSON as the standard has it: no name twice in an object, and no NaN.

    **Raises** ``ValueError`` for anything else.
    """
    return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)


def demand_unchanged(body: Mapping[str, Any], tensors: bytes | None = None) -> None:
    """**Raises** ``ValueError`` when ``body``, or the ``tensors`` beside it, are not as written."""
    if CHECKSUM not in body:
        raise ValueError("it has no checksum, so nothing shows whether it was changed")
    if body[CHECKSUM] != checksum_of(body):
        raise ValueError("its checksum is another one than that of what it says")
    stated = body.get("tensors")
    found = hashlib.sha256(tensors).hexdigest() if tensors else None
    if stated != found:
        lacks = "are missing" if found is None else "are not those that were written with it"
        raise ValueError(f"the tensors beside it {lacks}")


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _each_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands twice in one object")
        found[name] = value
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
