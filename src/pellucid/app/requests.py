"""What a request may ask for, checked field by field before it becomes a job."""

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from pellucid.app.jobs import FieldError
from pellucid.arguments import is_text
from pellucid.options import DIRECTION, SEED, AppAblation, AppSites, Direction

_Kind: TypeAlias = Literal[
    "next", "token", "lens", "direct", "attention", "off", "sweep",
    "circuit", "edges", "together", "pair", "lenses", "patch", "patched",
    "roles", "role", "writes", "reads", "open",
]  # fmt: skip
LONGEST = 20_000
"""Characters of a prompt."""
FILE = 32 << 20
"""Characters of a saved result."""
_LARGEST = 2**31
_GROUPS = 50
"""Groups of nodes that are measured at once."""
NEEDS: dict[str, tuple[str, ...]] = {
    "next": ("prompt",),
    "token": ("answer",),
    "lens": ("prompt", "answer", "foil"),
    "direct": ("prompt", "answer", "foil"),
    "attention": ("prompt", "nodes"),
    "off": ("prompt", "answer", "foil", "nodes"),
    "sweep": ("prompt", "answer", "foil"),
    "circuit": ("prompt", "answer", "foil"),
    "pair": ("prompt", "corrupted", "answer", "foil"),
    "lenses": ("prompt", "corrupted", "answer", "foil"),
    "patch": ("prompt", "corrupted", "answer", "foil"),
    "patched": ("prompt", "corrupted", "answer", "foil"),
    "roles": (),
    "edges": ("prompt", "corrupted", "answer", "foil", "nodes"),
    "together": ("prompt", "corrupted", "answer", "foil", "groups"),
    "role": ("nodes",),
    "writes": ("prompt", "answer", "foil", "nodes"),
    "reads": ("prompt", "answer", "foil", "nodes"),
    "open": ("file",),
}
CHOICES: dict[str, tuple[str, ...]] = {
    "kind": get_args(_Kind),
    "instead": get_args(AppAblation),
    "direction": get_args(Direction),
    "sites": get_args(AppSites),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question of the page; ``answer`` and ``foil`` are text or ids of single tokens."""

    kind: _Kind
    prompt: str = ""
    answer: str | int = ""
    foil: str | int = ""
    nodes: tuple[str, ...] = ()
    instead: AppAblation = "zero"
    seed: int = SEED
    corrupted: str = ""
    direction: Direction = DIRECTION
    sites: AppSites = "resid"
    layer: int = 0
    position: int = 0
    groups: tuple[tuple[str, ...], ...] = ()
    file: str = ""
    """A saved result: what ``to_json`` gives, or ``result.json`` of a folder."""
    tensors: str = ""
    """The tensors of that folder, in base64."""


def read_asked(body: Any) -> Asked:
    """The question in a request's JSON.

    **Raises** ``FieldError`` naming the first field that is missing, unknown or of another kind.
    """
    if not isinstance(body, dict):
        raise FieldError("kind", "Send a JSON object.")
    known = {field.name for field in fields(Asked)}
    for name, value in body.items():
        if name not in known:
            raise FieldError(str(name), f"{name!r} is not asked for; the fields are {known}.")
        _check(name, value)
    if "kind" not in body:
        raise FieldError("kind", f"Say which kind of question it is: one of {get_args(_Kind)}.")
    for name in NEEDS[body["kind"]]:
        if body.get(name) in (None, "", []):
            raise FieldError(name, f"Give a {name}.")
    nodes, groups = tuple(body.get("nodes", ())), tuple(map(tuple, body.get("groups", ())))
    return Asked(**{**body, "nodes": nodes, "groups": groups})


def _check(name: str, value: Any) -> None:
    if name in CHOICES:
        choices = CHOICES[name]
        fits, should = isinstance(value, str) and value in choices, f"one of {choices}"
    elif name in ("prompt", "corrupted"):
        fits = isinstance(value, str) and len(value) <= LONGEST
        should = f"text of at most {LONGEST} characters"
    elif name in ("file", "tensors"):
        fits = isinstance(value, str) and len(value) <= FILE
        should = f"text of at most {FILE} characters"
    elif name == "nodes":
        fits, should = _names(value), "a list of names, as L9H6 or M3"
    elif name == "groups":
        fits = isinstance(value, list) and len(value) <= _GROUPS and all(map(_group, value))
        should = f"at most {_GROUPS} lists of names, as [[L9H6, M3]], none of them empty"
    elif name in ("seed", "layer", "position"):
        fits, should = _whole(value), "a whole number from 0"
    else:
        fits = _whole(value) or (isinstance(value, str) and len(value) <= LONGEST)
        should = "text, or a token's id"
    if not fits or (isinstance(value, str) and not is_text(value)):
        raise FieldError(name, f"{name} must be {should}.")


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _group(value: Any) -> bool:
    return _names(value) and len(value) > 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST
