"""Attention patterns of any heads on one prompt, and what they look at.

pattern     A[q, k], the share of query q's attention that key k gets, read while the model runs
weighted    A[q, k] |v_k W_O|, the length of what key k adds to the stream through the head
            (Kobayashi et al. 2020, "Attention is not only a weight"): a key with a small value
            gets attention and passes on nothing
entropy     - sum_k A log A, in nats; 0 when one key gets everything
shares      attention given to the first token, the one before, duplicates and induction targets
            (``targets.py``)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pellucid.errors import EditError, TaskError
from pellucid.lens.heads.targets import TARGETS, shares, targets
from pellucid.lens.labels import token_labels
from pellucid.lens.names import Names, chosen_heads
from pellucid.lens.text import wrapped
from pellucid.model.anatomy import Attention, Node
from pellucid.model.detection.probe import TOLERANCE
from pellucid.model.model import Model, opened
from pellucid.model.running.taps import Tap
from pellucid.model.sites import Site
from pellucid.options import ATTENTION_VIEW, AttendedTo, AttentionView, demand_choice
from pellucid.passes import metering
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.tables import tabulate
from pellucid.results.views import shown
from pellucid.run.gradient import demand_finite
from pellucid.run.prompts import prompt_tokens, run_tapped
from pellucid.run.provenance import with_provenance
from pellucid.shapes import Tokens

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PerHead: TypeAlias = Literal["head", "query"]
_CHUNK = 16
"""Heads whose shares are computed together, so that long prompts need little beside the pattern."""
_SHOWN = 20
LOOKING = "by the largest share of attention on a previous, duplicate or induction token"
"""How ``top`` chooses."""


@dataclass(frozen=True, kw_only=True)
class AttentionPatterns(Result):
    """Attention of ``heads`` on one prompt; ``share[target]`` is NaN where a query has no target.

    ``value_norm[h, k]`` is |v_k W_O| of the key's value through head h's output matrix, biases of
    the output projection left out; None, with the reason in ``note``, where the values of a head
    cannot be read.
    """

    tokens: tuple[int, ...]
    labels: tuple[str, ...]
    heads: tuple[Node, ...]
    pattern: Float[Tensor, "node query key"]
    value_norm: Float[Tensor, "node key"] | None
    note: str
    entropy: Float[Tensor, "node query"]
    share: dict[AttendedTo, Float[Tensor, "node query"]]
    passes: Passes
    chosen_by: str = ""
    """By what the heads were chosen, the first first; "" for heads that were named, and for all."""

    @property
    def weighted(self) -> Float[Tensor, "node query key"]:
        """The pattern times the length of each key's value behind the output matrix.

        **Raises** ``EditError`` where values cannot be read.
        """
        if self.value_norm is None:
            raise EditError(f"There is no value-weighted pattern: {self.note}")
        return self.pattern * self.value_norm[:, None]

    def of(self, name: str) -> Float[Tensor, "query key"]:
        """The pattern of one head, by name.

        **Raises** ``EditError`` for a head that is not in this result.
        """
        names = [node.name for node in self.heads]
        if name not in names:
            raise EditError(f"{name!r} is not among the heads read: {', '.join(names[:8])} ...")
        return self.pattern[names.index(name)]

    def looking(self, top: int) -> tuple[int, ...]:
        """Places in ``heads`` of the ``top`` that look most at what says something.

        By the mean share of attention on a previous, duplicate or induction token, the largest of
        the three; the first token is left out, where heads look that do nothing.
        """
        shares = [values.nanmean(-1) for kind, values in self.share.items() if kind != "first"]
        most = torch.stack(shares).nan_to_num(-1).amax(0)
        return tuple(most.argsort(descending=True, stable=True)[:top].tolist())

    def only(self, places: Sequence[int], chosen_by: str) -> "AttentionPatterns":
        """Those of the heads that stand at ``places``, in that order."""
        at = list(places)
        norm = self.value_norm
        return replace(
            self,
            heads=tuple(self.heads[i] for i in at),
            pattern=self.pattern[at],
            value_norm=None if norm is None else norm[at],
            entropy=self.entropy[at],
            share={kind: values[at] for kind, values in self.share.items()},
            chosen_by=chosen_by,
        )

    def grid(self) -> Float[Tensor, "layer head query key"]:
        """All patterns by layer and head, NaN for heads that were not read."""
        layers = 1 + max(node.layer or 0 for node in self.heads)
        across = 1 + max(node.head or 0 for node in self.heads)
        if layers * across == len(self.heads):
            return self.pattern.unflatten(0, (layers, across))
        grid = self.pattern.new_full((layers, across, *self.pattern.shape[1:]), torch.nan)
        for node, pattern in zip(self.heads, self.pattern, strict=True):
            grid[node.layer, node.head] = pattern
        return grid

    def to_frame(self, per: PerHead = "head") -> pd.DataFrame:
        """``node kind layer head position example`` with ``entropy`` and a column for each target.

        Means over the queries that have such a target, or one row a query (its ``position``).
        """
        demand_choice("per", per, PerHead, TaskError)
        axes = ("position",) if per == "query" else ()
        frame: pd.DataFrame | None = None
        columns: dict[str, Tensor] = {"entropy": self.entropy}
        columns.update({str(target): values for target, values in self.share.items()})
        for column, values in columns.items():
            value = values.T if per == "query" else values.nanmean(-1)
            table = tabulate(self.heads, value, column, axes=axes)
            frame = table if frame is None else frame.assign(**{column: table[column]})
        assert frame is not None
        return frame

    def plot(self, show: AttentionView = ATTENTION_VIEW, *, heads: Names = None) -> "Figure":
        """Patterns of ``heads``, plain or ``"weighted"``; or a map of all heads read.

        Without ``heads``, all of at most twelve, else the twelve that look most at a previous,
        duplicate or induction token. A map shows the mean ``"entropy"``, or the share of attention
        on ``"first"``, ``"previous"``, ``"duplicate"`` or ``"induction"`` tokens.

        **Raises** ``EditError`` for a head that was not read, or values that cannot be.
        """
        return shown(self, "figure", show, heads)

    def __str__(self) -> str:
        frame = self.to_frame().set_index("node")
        order = range(_SHOWN) if self.chosen_by else self.looking(_SHOWN)
        shown = [self.heads[i].name for i in list(order)[: len(self.heads)]]
        some = "1 head" if len(self.heads) == 1 else f"{len(self.heads)} heads"
        lines = [
            f"Attention of {some} on {len(self.tokens)} tokens",
            *(wrapped(f"Chosen {self.chosen_by}.") if self.chosen_by else []),
            "share of attention (mean over the queries that have such a target)",
            "head     entropy  " + "  ".join(f"{target:>9}" for target in TARGETS),
        ]
        for name, row in frame.loc[shown].iterrows():
            cells = "  ".join(_cell(row[target], 9) for target in TARGETS)
            lines.append(f"{name:8} {_cell(row['entropy'], 7)}  {cells}".rstrip())
        if len(shown) < len(self.heads):
            lines.append(f"... and {len(self.heads) - len(shown)} more; to_frame() has them all")
        return "\n".join([*lines, f"Cost: {self.passes}."])


@with_provenance
def attention(
    model: Model, prompt: str | Sequence[int], *, heads: Names = None, top: int | None = None
) -> AttentionPatterns:
    """Patterns of ``heads`` (``"L9H6"``, several, or all) on ``prompt``, and where they look.

    ``top`` keeps of these as many as look most at a previous, duplicate or induction token; the
    result says so (``chosen_by``).

    **Assumes** attention through transformers' registry, proved when the model was opened. With
    attention sinks a query's attention sums to less than one.
    **Cost** 1 forward; memory for one float per head, query and key.
    **Raises** ``EditError`` for a head that is not there, or a model whose patterns cannot be read;
    ``TaskError`` for a ``top`` below 1.
    """
    if top is not None and not (type(top) is int and top >= 1):
        raise TaskError(f"top={top!r}: give how many heads to keep, at least 1.")
    demand_patterns(opened(model))
    nodes = chosen_heads(model, heads)
    tokens = prompt_tokens(model, prompt)
    with metering() as meter:
        reading = _read(model, tokens, nodes)
    where = targets(tokens)
    entropy, share = [], {kind: [] for kind in TARGETS}  # type: ignore[var-annotated]
    for part in reading.pattern.split(_CHUNK):
        entropy.append(torch.special.entr(part).sum(-1))
        for kind in TARGETS:
            share[kind].append(shares(part[None], where[kind])[0])
    spread = torch.cat(entropy)  # not finite where the pattern is not
    demand_finite(spread, "attention pattern")
    ids = tokens[0].tolist()
    found = AttentionPatterns(
        tokens=tuple(ids),
        labels=token_labels(model.tokenizer, ids),
        heads=nodes,
        pattern=reading.pattern,
        value_norm=None if reading.note else reading.value_norm,
        note=reading.note,
        entropy=spread,
        share={kind: torch.cat(parts) for kind, parts in share.items()},
        passes=meter.passes,
    )
    return found if top is None else found.only(found.looking(top), LOOKING)


def demand_patterns(model: Model) -> None:
    """**Raises** ``EditError`` with the reason found on opening, when patterns are not readable."""
    if "pattern" not in model.check.writable:
        reason = model.check.missing.get("pattern", "it has no attention")
        raise EditError(f"The attention patterns of {model.name} cannot be read. {reason}")


@dataclass
class _Reading:
    """What the taps fill in."""

    pattern: Float[Tensor, "node query key"]
    value_norm: Float[Tensor, "node key"]
    note: str = ""


def _read(model: Model, tokens: Tokens, nodes: tuple[Node, ...]) -> _Reading:
    length = tokens.shape[1]
    # In place, because a second copy of all patterns of a long prompt would be gigabytes.
    # Single precision, whatever torch's default dtype is when this is called.
    found = _Reading(
        torch.empty(len(nodes), length, length, dtype=torch.float32),
        torch.empty(len(nodes), length, dtype=torch.float32),
    )
    taps: dict[Site, Tap] = {}
    for layer in dict.fromkeys(node.layer for node in nodes):
        assert layer is not None
        attention = model.anatomy.blocks[layer].attention
        assert attention is not None
        rows = [row for row, node in enumerate(nodes) if node.layer == layer]
        heads = [nodes[row].head or 0 for row in rows]
        if attention.v is None:
            found.note = f"layer {layer} has no values that can be read: {attention.aside}."
            taps[Site("pattern", layer)] = _keeping(found.pattern, rows, heads)
        else:
            taps |= _taps(attention, layer, found, rows, heads)
    run_tapped(model, tokens, taps, reads=torch.full((1, 1), length - 1, device=tokens.device))
    return found


def _keeping(kept: Tensor, rows: list[int], heads: list[int]) -> Callable[[Tensor], None]:
    def keep(pattern: Tensor) -> None:
        kept[rows] = pattern[0, heads].to(kept.device, kept.dtype)

    return keep


def _taps(
    attention: Attention, layer: int, found: _Reading, rows: list[int], heads: list[int]
) -> dict[Site, Tap]:
    """Taps for pattern and values; a third compares pattern times values with what the head gave.

    A value may be normed or gated on its way, and then it is not what the projection returned.
    """
    keep = _keeping(found.pattern, rows, heads)
    held: dict[str, Tensor] = {}
    group = attention.n_heads // attention.n_kv_heads
    weight = attention.head_weight()  # head d_head d_model

    def read_value(value: Tensor) -> None:
        held["value"] = value[0].repeat_interleave(group, dim=1)  # pos head d_head
        if held["value"].shape[1:] == weight.shape[:2]:
            terms = (held["value"][:, h] @ weight[h] for h in heads)
            found.value_norm[rows] = torch.stack([t.norm(dim=-1) for t in terms]).cpu().float()

    def read_pattern(pattern: Tensor) -> None:
        keep(pattern)
        held["pattern"] = pattern[0]

    def compare(z: Tensor) -> None:
        pattern, value = held.pop("pattern"), held.pop("value")
        mixed = torch.einsum("hqk,khd->qhd", pattern, value.to(pattern.dtype))
        limit = TOLERANCE.get(z.dtype, 1e-4) * float(z.norm())
        if mixed.shape != z.shape[1:] or float((mixed - z[0]).norm()) > limit:
            found.note = f"what the heads of layer {layer} mix is not what their value gave."

    return {
        Site("v", layer): read_value,
        Site("pattern", layer): read_pattern,
        Site("z", layer): compare,
    }


def _cell(value: float, width: int) -> str:
    return " " * width if pd.isna(value) else f"{value:{width}.2f}"
