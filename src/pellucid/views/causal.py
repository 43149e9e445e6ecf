"""Exchanged values and learned subspaces: accuracies as bars, text and sentences."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from pellucid.causal.result import AlignedSubspace, Interchange
from pellucid.figures.bars import bars
from pellucid.lens.text import wrapped
from pellucid.results.prose import Section, section
from pellucid.results.views import shows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@shows(Interchange, "figure")
def draw_interchange(found: Interchange) -> "Figure":
    """``Interchange.plot``."""
    return _bars(found.to_frame(), f"Exchanging {found.k} dimensions at {found.site}")


@shows(AlignedSubspace, "figure")
def draw_subspace(found: AlignedSubspace) -> "Figure":
    """``AlignedSubspace.plot``."""
    held = found.held_out
    return _bars(found.to_frame(), f"{held.k} learned dimensions at {held.site}")


def _bars(frame: pd.DataFrame, title: str) -> "Figure":
    return bars(
        list(frame["exchange"]),
        frame["accuracy"].to_numpy(),
        title=title,
        label="share of examples that say the answer",
        scale="sequential",
        order="given",
    )


@shows(Interchange, "text")
def interchange_text(found: Interchange) -> str:
    """The table, in at most 80 columns."""
    return "\n".join([*_head(found), *_table(found.to_frame()), f"Cost: {found.passes}."])


@shows(AlignedSubspace, "text")
def subspace_text(found: AlignedSubspace) -> str:
    """The table with what was learned as a control, in at most 80 columns."""
    told = [*_head(found.held_out), *_table(found.to_frame())]
    told += wrapped(
        f"Loss from {found.losses[0]:.3f} to {found.losses[-1]:.3f} in {len(found.losses)} steps. "
        "Where no other is named, rows are of examples that were held out."
    )
    return "\n".join([*told, f"Cost: {found.passes}."])


def _head(found: Interchange) -> Iterator[str]:
    where = " ".join(map(str, found.positions))
    yield from wrapped(
        f"{found.k} dimensions exchanged at {found.site}, position {where}, over "
        f"{len(found.base)} examples: clean prompts' values put into corrupted ones."
    )
    yield ""


def _table(frame: pd.DataFrame) -> Iterator[str]:
    yield "exchange                                says the answer   logit difference"
    for row in frame.to_dict("records"):
        difference = row["logit_difference"]
        shown = "" if difference != difference else f"{difference:+.3f}"
        yield f"{row['exchange']:40} {row['accuracy']:14.2f} {shown:>18}".rstrip()
    yield ""


@shows(Interchange, "story")
def interchange_story(found: Interchange) -> tuple[Section, ...]:
    """What the exchange does beside its controls."""
    told = [
        "With {k} dimensions exchanged at {site}, {accuracy:.2f} of the examples say the answer.",
        "That exchanging a place changes the answer does not say that it stands there alone.",
    ]
    return (section(found, "What the exchange does", told),)


@shows(AlignedSubspace, "story")
def subspace_story(found: AlignedSubspace) -> tuple[Section, ...]:
    """What the learned directions do on examples that were held out, beside what learning can."""
    told = [
        "With {held_out.k} learned dimensions exchanged at {held_out.site}, "
        "{held_out.accuracy:.2f} of the examples that were held out say the answer; "
        "{trained:.2f} of those learned from.",
        "A subspace that learned answers drawn by coin reaches {arbitrary:.2f}, one in a model of "
        "random weights {random_model:.2f}.",
    ]
    return (section(found, "What the learned directions hold", told),)
