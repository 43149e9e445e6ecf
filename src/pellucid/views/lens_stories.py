"""What lenses found, in sentences: on a page of their own, and in an analysis that holds them."""

from collections.abc import Iterator

from torch import Tensor

from pellucid.lens.direct.direct_effects import DirectEffects
from pellucid.lens.heads.attention import AttentionPatterns
from pellucid.lens.residual.logit_lens import LogitLens
from pellucid.lens.tokens.token_attribution import TokenAttribution
from pellucid.results.prose import Section, section
from pellucid.results.views import shows

_NAMED = 4
"""Largest of many that are named in a sentence."""


@shows(LogitLens, "story")
def _of_lens(lens: LogitLens) -> tuple[Section, ...]:
    """Where each target becomes the likeliest token at the last position, and stays so."""
    told = [*_settling(lens), *_shifts(lens)]
    told.append("That a token can be read off the stream does not say that the model uses it.")
    return (section(lens, "What the lens reads", told),)


def _settling(lens: LogitLens) -> Iterator[str]:
    for i, place in enumerate(lens.settling(i)[-1] for i in range(len(lens.targets))):
        rank = f"{{prompt.target_rank.{len(lens.points) - 1}.{len(lens.positions) - 1}.{i}}}"
        if place is None:
            yield f'"{{targets.{i}}}" has rank {rank} in what the model says at the end.'
            continue
        at = lens.points.index(place)
        yield (
            f'From {{points.{at}.name}} on "{{targets.{i}}}" is the likeliest token at the last '
            "position."
        )


def _shifts(lens: LogitLens) -> Iterator[str]:
    if lens.shift is None:
        return
    last = len(lens.positions) - 1
    named = (
        f"{{points.{i + 1}.name}} ({{shift.{i + 1}.{last}:+z.2f}})"
        for i in _largest(lens.shift[1:, last])
    )
    yield f"The sublayers across which the logit difference changes most: {', '.join(named)}."


@shows(DirectEffects, "story")
def _of_direct(found: DirectEffects) -> tuple[Section, ...]:
    """The largest shares, and what they sum to."""
    named = (f"{{terms.{i}.name}} ({{share.{i}:+z.2f}})" for i in _largest(found.share))
    several = ", mean over examples" if len(found.metric) > 1 else ""
    told = [
        f"The largest shares{several}: {', '.join(named)}.",
        "All {terms.length} shares of the first prompt sum to {total.0:+z.3f}; its logit "
        "difference is {metric.0:+z.3f}.",
        "A share is what a component writes itself; a large one need not be a cause.",
        *(f"{{caveats.{i}}}" for i in range(len(found.caveats))),
    ]
    return (section(found, "Direct effects", told),)


@shows(TokenAttribution, "story")
def _of_tokens(found: TokenAttribution) -> tuple[Section, ...]:
    """The tokens of the first prompt that matter most."""
    named = (
        f"{{tokens.0.{i}!r}} at {i} ({{per_example.0.{i}:+z.2f}})"
        for i in _largest(found.per_example[0, : len(found.tokens[0])])
        if found.tokens[0][i]
    )
    told = [f"By {{method}} (one {{quantity}} a token) most for: {', '.join(named)}."]
    if found.replacements:
        told.append(
            "Each token alone was replaced by each of {replacements.length} tokens drawn from the "
            "vocabulary; the effect is how far the metric falls, on average."
        )
    return (section(found, "Tokens", told),)


@shows(AttentionPatterns, "story")
def _of_attention(found: AttentionPatterns) -> tuple[Section, ...]:
    """Which heads were read, and why these."""
    told = ["Patterns of {heads.length} heads on {tokens.length} tokens."]
    if found.chosen_by:
        told.append("The heads were chosen {chosen_by}.")
    told.append("What a head attends to does not say what it passes on, nor that it matters.")
    return (section(found, "Attention", told),)


def _largest(values: Tensor) -> list[int]:
    """Places of the largest values by size."""
    order: list[int] = values.abs().argsort(descending=True, stable=True)[:_NAMED].tolist()
    return order
