"""Steering vectors and what they do: lines over scales, text, sentences."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from pellucid.figures.lines import lines
from pellucid.lens.text import quoted, wrapped
from pellucid.results.prose import Section, section
from pellucid.results.views import shows
from pellucid.steering.effects import Steering
from pellucid.steering.vector import SteeringVector

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@shows(Steering, "figure")
def draw_steering(found: Steering) -> "Figure":
    """``Steering.plot``."""
    order = sorted(range(len(found.scales)), key=lambda i: found.scales[i])
    effect = found.effect[order].double()
    below = sum(found.scales[i] < 0 for i in order)

    def with_zero(values: torch.Tensor) -> list[float]:
        listed = values.tolist()
        return [*listed[:below], 0.0, *listed[below:]]

    series = {"vector": with_zero(effect[:, 0])}
    if effect.shape[1] > 1:
        series["random, largest"] = with_zero(effect[:, 1:].amax(1))
        series["random, smallest"] = with_zero(effect[:, 1:].amin(1))
    series["instruction, no vector"] = [found.asked_effect] * (len(order) + 1)
    scales = with_zero(torch.tensor([found.scales[i] for i in order], dtype=torch.float64))
    return lines(
        scales,
        series,
        title=f"Steering towards {quoted(found.toward, 20)} at layer "
        f"{', '.join(map(str, found.layers))}",
        labels=("scale of what is added", "rise of the logit difference"),
    )


@shows(Steering, "text")
def steering_text(found: Steering) -> str:
    """The table, and what it says, in at most 80 columns."""
    return "\n".join(_lines(found))


def _lines(found: Steering) -> Iterator[str]:
    yield from wrapped(
        f"Effect: rise of the logit of {quoted(found.toward, 20)} minus that of "
        f"{quoted(found.away, 20)} over {len(found.plain)} prompts, added at layer "
        f"{', '.join(map(str, found.layers))}. KL (nats a token) and perplexity: on neutral texts. "
        + (f"Accuracy: of the task {found.task}." if found.task else "")
    )
    yield ""
    yield "how          scale   effect       interval        KL  perplexity  accuracy"
    for row in found.to_frame().to_dict("records"):
        scale = "" if math.isnan(row["scale"]) else f"{row['scale']:g}"
        bounds = "" if math.isnan(row["low"]) else f"{row['low']:+.2f} to {row['high']:+.2f}"
        right = "" if math.isnan(row["accuracy"]) else f"{row['accuracy']:.2f}"
        yield (
            f"{row['how']:12} {scale:>5} {row['effect']:+8.2f} {bounds:>16} {row['kl']:8.3f} "
            f"{row['perplexity']:11.1f} {right:>9}"
        ).rstrip()
    yield ""
    n = found.effect.shape[1] - 1
    for size, beats in zip(found.scales, found.beats_random, strict=True):
        if n:
            says = "more than" if beats else "no more than"
            yield f"At scale {size:g} the vector does {says} the best of {n} random directions."
    best = float(found.effect[:, 0].max())
    says = "less than" if best < found.asked_effect else "at least as much as"
    yield from wrapped(f"At its best it does {says} the instruction ({found.asked_effect:+.2f}).")
    yield f"Cost: {found.passes}."


@shows(Steering, "story")
def steering_story(found: Steering) -> tuple[Section, ...]:
    """The effect at each scale beside its controls."""
    told = [
        'Behind the instruction {instruction!r} the preference for "{toward}" rises by '
        "{asked_effect:+.2f}, without a vector.",
        *(
            f"At scale {{scales.{i}:g}} the vector raises it by {{effect.{i}.0:+.2f}}, at a KL of "
            f"{{kl.{i}.0:.3f}} on neutral texts"
            + (
                f"; a random direction by {{effect.{i}.1:+.2f}}."
                if found.effect.shape[1] > 1
                else "."
            )
            for i in range(len(found.scales))
        ),
        "That a direction can steer does not say that the model uses it.",
    ]
    return (section(found, "What the vector does", told),)


@shows(SteeringVector, "text")
def vector_text(found: SteeringVector) -> str:
    """What it is made of, and where it tells examples apart, in at most 80 columns."""
    told = [
        *wrapped(
            f"A direction for {len(found.layers)} layers by {found.method}, from {found.about}."
        ),
        "",
        "layer  length  separation of held-out examples (AUROC)",
    ]
    for row in found.to_frame().to_dict("records"):
        apart = "" if math.isnan(row["separation"]) else f"{row['separation']:.3f}"
        told.append(f"{row['layer']:5d} {row['length']:7.2f}  {apart}".rstrip())
    told += ["", f"Applied at layer {found.best_layer} unless layers are named."]
    told.append(f"Cost: {found.passes}.")
    return "\n".join(told)
