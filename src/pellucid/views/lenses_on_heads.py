"""What the lenses on heads draw: their own numbers, handed to ``figures``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid.errors import TaskError
from pellucid.figures.attention import attention as attention_panels
from pellucid.figures.cells import Scale
from pellucid.figures.heatmap import heatmap
from pellucid.figures.lines import lines
from pellucid.figures.maps import maps
from pellucid.figures.parts import by_layer
from pellucid.lens.composition.composition import Composition
from pellucid.lens.heads.attention import AttentionPatterns
from pellucid.lens.heads.roles import HeadRoles
from pellucid.lens.names import chosen_view
from pellucid.options import AttentionView, CompositionView
from pellucid.results.views import shows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = 12
"""Attention patterns drawn together, at the most."""


@shows(AttentionPatterns, "figure")
def draw_attention(
    found: AttentionPatterns, show: AttentionView, heads: str | Sequence[str] | None
) -> "Figure":
    """``AttentionPatterns.plot``."""
    chosen_view(show, AttentionView)
    if show not in ("pattern", "weighted"):
        return _attention_map(found, show)
    listed = [heads] if isinstance(heads, str) else heads
    names = list(listed) if listed is not None else looking(found)
    for name in names:
        found.of(name)  # refuses a head that was not read
    every = [node.name for node in found.heads]
    chosen = (found.pattern if show == "pattern" else found.weighted)[
        [every.index(name) for name in names]
    ]
    title = "Attention" if show == "pattern" else "Attention times the size of what is moved"
    if listed is None and found.chosen_by:
        title += f": {len(names)} heads, chosen {found.chosen_by}"
    elif listed is None and len(names) < len(every):
        title += f": the {len(names)} of {len(every)} heads that look most at a previous, "
        title += "duplicate or induction token"
    label = "attention weight" if show == "pattern" else "attention weight times |v W_O|"
    return attention_panels(chosen.double(), tokens=found.labels, title=title, heads=names,
                            label=label)  # fmt: skip


def looking(found: AttentionPatterns) -> list[str]:
    """All heads, or the ``PANELS`` that give most attention to a target that says something."""
    if len(found.heads) <= PANELS:
        return [node.name for node in found.heads]
    if found.chosen_by:
        return [node.name for node in found.heads[:PANELS]]
    return [found.heads[head].name for head in sorted(found.looking(PANELS))]


def _attention_map(found: AttentionPatterns, show: AttentionView) -> "Figure":
    if show == "entropy":
        values, label = found.entropy.mean(-1), "entropy of attention, in nats"
    else:
        assert show in ("first", "previous", "duplicate", "induction")
        values = found.share[show].nanmean(-1)
        what = "the first token" if show == "first" else f"{show} targets"
        label = f"share of attention on {what}"
    title = "Attention of every head, mean over queries"
    return by_layer(found.heads, values.double(), title=title, label=label, scale="sequential")


@shows(HeadRoles, "figure")
def draw_roles(found: HeadRoles, role: str | None) -> "Figure":
    """``HeadRoles.plot``."""
    if role is not None:
        held = [node.name for node in found.holders(role)]
        column = found.roles.index(role)
        score = found.score[:, column].double()
        signed = bool((score < 0).any())
        return by_layer(
            found.heads,
            score,
            title=f"Heads by role: {role}",
            label=f"score; framed: holds the role ({float(found.thresholds[column]):g} or more "
            "and above every null)",
            scale="signed" if signed else "sequential",
            highlight=held,
        )
    shown = [r for r in found.roles if r not in found.unmeasured]
    return maps(
        found.heads,
        {r: found.score[:, found.roles.index(r)].double() for r in shown},
        title=f"Head roles on {found.sequences} sequences of 2 x {found.length} random tokens",
        label="score; framed: holds the role",
        highlight={r: [node.name for node in found.holders(r)] for r in shown},
    )


@shows(HeadRoles, "loss figure")
def draw_loss(found: HeadRoles) -> "Figure":
    """``HeadRoles.plot_loss``."""
    prefix = len(found.loss) + 1 - 2 * found.length
    return lines(
        range(1, len(found.loss) + 1),
        {f"mean of {found.sequences} sequences": found.loss.double()},
        title=f"Loss on random tokens said twice: {found.loss_first:.2f} nats, "
        f"then {found.loss_second:.2f}",
        labels=("position of the token predicted", "loss, in nats"),
        marks={"repetition begins": float(prefix + found.length)},
    )


@shows(Composition, "figure")
def draw_composition(found: Composition, kind: str | None, show: CompositionView) -> "Figure":
    """``Composition.plot``."""
    chosen_view(show, CompositionView)
    kind = kind or found.kinds[0]
    if kind not in found.kinds:
        raise TaskError(f"kind={kind!r} was not computed; there are {found.kinds}.")
    index = found.kinds.index(kind)
    scale: Scale = "signed" if show == "z" else "sequential"
    label = "z: standard deviations above chance" if show == "z" else "composition score"
    return heatmap(
        (found.z if show == "z" else found.score)[index].double(),
        title=f"{kind.upper()}-composition: receivers down, senders across "
        f"(score by chance {found.chance:.3f})",
        rows=[node.name for node in found.receivers],
        columns=[node.name for node in found.senders],
        label=label,
        scale=scale,
    )
