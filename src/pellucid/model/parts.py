"""Kinds of parts, and the one grammar of their names.

A part has a kind, a layer and an index; its kind says what it is called, at which site its value
stands, and how the value is cut from the site's tensor and put back. A further kind is one entry:

    register_part(PartKind(kind="coordinate", form="L{layer}D{index}", site="resid_pre",
                           count=lambda block: 64))

and its parts can be ranked, patched, put in a circuit, named and saved as heads are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from pellucid.arguments import checks_kinds, demand_fields
from pellucid.errors import EditError

if TYPE_CHECKING:
    from torch import Tensor

_NUMBER = r"(0|[1-9]\d*)"
CutPart: TypeAlias = Callable[["Tensor", int], "Tensor"]
PutPart: TypeAlias = Callable[["Tensor", "Tensor", int], "Tensor"]


@dataclass(frozen=True, kw_only=True)
class PartKind:
    """What all parts of a kind have in common.

    Without ``cut`` and ``put`` a part is the whole tensor of its site, or, where ``form`` has an
    ``{index}``, that index of the first axis behind row and position: a head of ``z``, a neuron of
    ``neurons``. With them it is ``cut(tensor, index)``, ``[row pos d]``, and
    ``put(tensor, piece, index)`` is the tensor with that piece in it. Both are linear, and ``cut``
    keeps lengths (it projects on orthonormal directions), so that an estimate by gradient is
    cut(difference) . cut(gradient).
    """

    kind: str
    form: str
    """The name, such as ``M{layer}N{index}``."""
    site: str
    """The kind of site that holds the value."""
    count: Callable[[Any], int]
    """How many a layer has, from its ``Block``: 0 for none, 1 where there is no index."""
    all_of_layer: str | None = None
    """What all parts of a layer together are called, such as ``M{layer}.neurons``."""
    cut: CutPart | None = None
    put: PutPart | None = None

    def __post_init__(self) -> None:
        demand_fields(self)

    @property
    def indexed(self) -> bool:
        """Whether a layer may have several."""
        return "{index}" in self.form

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What names of this kind look like."""
        return _pattern(self.form)

    def name(self, layer: int | None, index: int | None) -> str:
        """A part's name."""
        return self.form.format(layer=layer, index=index)


@dataclass(frozen=True, slots=True)
class PartName:
    """A name, taken apart."""

    kind: str
    layer: int | None = None
    index: int | None = None


def _pattern(form: str) -> re.Pattern[str]:
    escaped = re.escape(form)
    for field in ("layer", "index"):
        escaped = escaped.replace(re.escape(f"{{{field}}}"), f"(?P<{field}>{_NUMBER})")
    return re.compile(escaped)


GROUPS = {"heads": "head", "mlps": "mlp"}
"""Names for all parts of a kind in the whole model."""
KINDS: dict[str, PartKind] = {}
"""Every kind of part, by what it is called, in the order in which names are tried."""


@checks_kinds
def register_part(kind: PartKind) -> PartKind:
    """Take up a kind of part; one of its name is replaced, unless it is Pellucid's own.

    **Raises** ``EditError`` for a kind of Pellucid's own, for ``cut`` without ``put``, for a form
    without a layer, or one whose names are those of another kind: a name would then mean what was
    registered first.
    """
    if kind.kind in OWN:
        raise EditError(f"Kind {kind.kind!r} of parts is Pellucid's own: choose another name.")
    if (kind.cut is None) != (kind.put is None) or (kind.cut and not kind.indexed):
        raise EditError(f"Kind {kind.kind!r}: give cut and put both, and an {{index}} in form.")
    forms = [kind.form] if kind.all_of_layer is None else [kind.form, kind.all_of_layer]
    for form in forms:
        _demand_own_form(kind.kind, form)
    KINDS[kind.kind] = kind
    return kind


def _demand_own_form(kind: str, form: str) -> None:
    """**Raises** ``EditError`` for a form without a layer or with "+", or that others have too."""
    if "{layer}" not in form or "+" in form:
        raise EditError(
            f"Kind {kind!r}: {form!r} needs a {{layer}}, and no plus sign, which joins names."
        )
    name = form.format(layer=1, index=2)
    for other in KINDS.values():
        theirs = [one for one in (other.form, other.all_of_layer) if one is not None]
        if other.kind != kind and any(
            _pattern(one).fullmatch(name) or _pattern(form).fullmatch(one.format(layer=1, index=2))
            for one in theirs
        ):
            raise EditError(
                f"Kind {kind!r}: {form!r} gives names such as {name}, which are those of kind "
                f"{other.kind!r}. Choose another form."
            )


def kind_called(kind: str) -> PartKind:
    """The kind of that name.

    **Raises** ``EditError`` for one that there is not.
    """
    if kind not in KINDS:
        raise EditError(
            f"No kind of part is called {kind!r}; there are {', '.join(KINDS)}. One of your own is "
            "registered before its parts are used or loaded."
        )
    return KINDS[kind]


def name_of(kind: str, layer: int | None, index: int | None) -> str:
    """``L9H6`` of ``head``, 9 and 6."""
    return kind_called(kind).name(layer, index)


def parse(name: str) -> PartName | None:
    """A part's name taken apart; None for what is no name of a part."""
    for kind in KINDS.values():
        if found := kind.pattern.fullmatch(name):
            return PartName(kind.kind, *_numbers(found))
    return None


def parse_layer(name: str) -> PartName | None:
    """The name of all parts of a layer, such as ``M3.neurons``, taken apart."""
    for kind in KINDS.values():
        if kind.all_of_layer and (found := _pattern(kind.all_of_layer).fullmatch(name)):
            return PartName(kind.kind, *_numbers(found))
    return None


def names_parts(text: str) -> bool:
    """Whether each name in ``text`` could be that of a part, or of a group of parts.

    Names are joined by a plus sign, as in ``heads+M3.neurons``.
    """
    return all(n in GROUPS or parse(n) or parse_layer(n) for n in text.split("+"))


def owner(name: str) -> str:
    """The name of the head or sublayer that an input belongs to: ``L9H6`` of ``L9H6.q``."""
    return name.partition(".")[0]


def _numbers(found: re.Match[str]) -> tuple[int | None, int | None]:
    numbers = found.groupdict()
    layer, index = numbers.get("layer"), numbers.get("index")
    return None if layer is None else int(layer), None if index is None else int(index)


def _heads(block: Any) -> int:
    return block.attention.n_heads if block.attention else 0


def _kv_heads(block: Any) -> int:
    return block.attention.n_kv_heads if block.attention else 0


def _attention(block: Any) -> int:
    return int(block.attention is not None)


def _mlp(block: Any) -> int:
    return int(block.mlp is not None)


def _neurons(block: Any) -> int:
    return block.mlp.n_neurons if block.mlp else 0


def _latents(block: Any) -> int:
    return block.dictionary.n_latents if block.dictionary else 0


def _dictionary(block: Any) -> int:
    return int(block.dictionary is not None)


def _experts(block: Any) -> int:
    return block.mlp.n_experts if block.mlp else 0


def _router(block: Any) -> int:
    return int(_experts(block) > 0)


for _kind in (
    PartKind(kind="embed", form="embed", site="resid_pre", count=lambda block: 0),
    PartKind(
        kind="head",
        form="L{layer}H{index}",
        site="z",
        count=_heads,
        all_of_layer="L{layer}.heads",
    ),
    PartKind(kind="mlp", form="M{layer}", site="mlp_out", count=_mlp),
    PartKind(
        kind="expert",
        form="M{layer}E{index}",
        site="experts",
        count=_experts,
        all_of_layer="M{layer}.experts",
    ),
    PartKind(kind="router", form="M{layer}.router", site="router", count=_router),
    PartKind(kind="attn", form="A{layer}", site="attn_out", count=_attention),
    PartKind(kind="logits", form="logits", site="resid_pre", count=lambda block: 0),
    PartKind(kind="resid", form="resid{layer}", site="resid_pre", count=lambda block: 1),
    PartKind(kind="q", form="L{layer}H{index}.q", site="q", count=_heads),
    PartKind(kind="k", form="L{layer}KV{index}.k", site="k", count=_kv_heads),
    PartKind(kind="v", form="L{layer}KV{index}.v", site="v", count=_kv_heads),
    PartKind(
        kind="neuron",
        form="M{layer}N{index}",
        site="neurons",
        count=_neurons,
        all_of_layer="M{layer}.neurons",
    ),
    PartKind(
        kind="latent",
        form="L{layer}F{index}",
        site="latents",
        count=_latents,
        all_of_layer="L{layer}.latents",
    ),
    PartKind(kind="error", form="E{layer}", site="error", count=_dictionary),
):
    KINDS[_kind.kind] = _kind
OWN = frozenset(KINDS)
