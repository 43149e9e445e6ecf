"""What a model wrote: as text, in sentences, and token by token on colours."""

from typing import TYPE_CHECKING

from pellucid.figures.strip import strip
from pellucid.lens.text import wrapped
from pellucid.results.prose import Section, section
from pellucid.results.quoting import in_quotes
from pellucid.results.views import shows
from pellucid.run.generation.generation import Generation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 200
"""Tokens that the figure shows."""


@shows(Generation, "figure")
def draw_generation(found: Generation) -> "Figure":
    """``Generation.plot``."""
    written = found.tokens[len(found.prompt_ids) :][:_SHOWN]
    more = f", the first {_SHOWN} of {len(found.ids)}" if len(found.ids) > _SHOWN else ""
    return strip(
        found.log_probability[:_SHOWN].double().exp(),
        written,
        title=f"Written behind the prompt{more}: how likely each token was",
        label="probability of the token",
        scale="sequential",
    )


@shows(Generation, "text")
def generation_text(found: Generation) -> str:
    """What was written, how, and what it cost, in at most 80 columns."""
    drawn = f"drawn at temperature {found.temperature:g} by seed {found.seed}"
    how = "the likeliest each time" if found.temperature == 0 else drawn
    mean = float(found.log_probability.double().mean())
    told = [
        *wrapped(in_quotes(found.text)),
        "",
        f"{len(found.ids)} tokens, {how}, up to "
        f"{'an end token' if found.ended_by == 'end token' else 'the length asked for'}.",
        f"Mean log-probability {mean:+.2f} a token.",
        *(line for edit in found.edits for line in wrapped(f"Edited: {edit}.")),
        f"Cost: {found.passes}.",
    ]
    return "\n".join(told)


@shows(Generation, "story")
def generation_story(found: Generation) -> tuple[Section, ...]:
    """What was written and under what edits."""
    told = [
        "Behind a prompt of {prompt_ids.length} tokens the model wrote {ids.length}: {text!r}.",
        "It ended by {ended_by}.",
        *(f"Edited at every step: {{edits.{i}}}." for i in range(len(found.edits))),
    ]
    return (section(found, "What was written", told),)
