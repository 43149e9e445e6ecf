"""Whether there is anything to claim a circuit for: no behaviour, no circuit."""

import math
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from jaxtyping import Float
from torch import Tensor

from pellucid.results.refusal import Refusal, RefusalCode
from pellucid.run.record import Trace
from pellucid.stats.signflip import sign_flip_p
from pellucid.stats.tokenpairs import token_pair_p

Sets = TypeVar("Sets")


class MeasuresSets(Protocol[Sets]):
    """What measures sets of parts, of nodes or of edges."""

    all: Sets
    none: Sets

    @property
    def noise(self) -> float:
        """Largest difference of two sets' metrics that rounding explains."""

    def unknown(self, sets: Iterable[Sets], /) -> list[Sets]:
        """Those not measured yet."""

    def metric(self, sets: Sequence[Sets], /) -> Float[Tensor, "set example"]:
        """Metric per example."""

    def fraction(self, sets: Sequence[Sets], /) -> list[float]:
        """f of each set."""


CHANCE = 0.05
ENOUGH_TO_TEST = 5
"""From five examples on, tests of symmetry over examples can reach ``CHANCE``."""


def nothing_to_explain(trace: Trace) -> Refusal | None:
    """Why no circuit should be claimed whatever the search finds; None if one may be.

    The answer must be preferred, and the corrupted prompts must take some of that away, more than
    rounding can. From five examples on both must be beyond chance over examples (test of symmetry
    about zero); and with answers of one token the logits of answer and foil must change more than
    those of random pairs of tokens do, which tells a behaviour from arbitrary weights even on one
    prompt.
    """
    preference = trace.preference.cpu().double()
    difference = trace.difference.cpu().double()
    preferred_by, lowered_by = float(preference.mean()), float(difference.mean())
    if preferred_by <= 0:
        return Refusal(
            code="answer_not_preferred",
            text="the model does not prefer the answer to the foil",
            data={"preference": preferred_by},
        )
    if lowered_by <= 0:
        return Refusal(
            code="metric_not_lowered",
            text="the corrupted prompts do not lower the metric",
            data={"difference": lowered_by},
        )
    if lowered_by <= trace.noise:
        return Refusal(
            code="change_is_rounding",
            text=f"the corrupted prompts lower the metric by {lowered_by:.1e}, and rounding alone "
            f"moves it by up to {trace.noise:.1e}; change the word that decides",
            data={"difference": lowered_by, "noise": trace.noise},
        )
    by_chance = by_chance_over_examples(
        preference, "preference_by_chance", "the model prefers the answer by"
    ) or by_chance_over_examples(
        difference, "metric_change_by_chance", "the corrupted prompts lower the metric by"
    )
    if by_chance:
        return by_chance
    as_much = among_token_pairs(trace)
    if as_much is not None and as_much >= CHANCE:
        return Refusal(
            code="change_as_of_random_tokens",
            text="the corrupted prompts change answer and foil no more than other tokens: "
            f"{as_much:.0%} of random pairs change as much",
            data={"share": as_much},
        )
    return None


def nothing_to_divide_by(measure: MeasuresSets[Sets]) -> Refusal | None:
    """Why f is undefined, if only rounding tells all kept from nothing kept; else None."""
    defined = measure.unknown([measure.none]) or not math.isnan(measure.fraction([measure.all])[0])
    return None if defined else ablation_does_not_hurt(measure)


def by_chance_over_examples(
    values: Float[Tensor, " example"], code: RefusalCode, claim: str
) -> Refusal | None:
    """Refuse what a test of symmetry over enough examples cannot tell from chance."""
    if len(values) < ENOUGH_TO_TEST:
        return None
    p = sign_flip_p(values.numpy())
    if p < CHANCE:
        return None
    mean = float(values.mean())
    return Refusal(
        code=code,
        text=f"over {len(values)} examples {claim} {mean:z.2f} on average, which is not beyond "
        f"chance (test of symmetry about zero, p = {p:.2f})",
        data={"examples": len(values), "mean": mean, "p": p},
    )


def among_token_pairs(trace: Trace) -> float | None:
    """How often a random pair of tokens changes as much as answer and foil.

    None where answers have several tokens, or the vocabulary is too small to tell.
    """
    encoded = trace.encoded
    rows, reads, vocabulary = trace.logits_clean.shape
    if reads > 1 or rows != encoded.n_examples or vocabulary * (vocabulary - 1) <= 1 / CHANCE:
        return None
    change = (trace.logits_clean - trace.logits_corrupted)[:, 0].float().cpu().numpy()
    return token_pair_p(
        change, encoded.answers[:, 0].cpu().numpy(), encoded.foils[:, 0].cpu().numpy()
    )


def ablation_does_not_hurt(measure: MeasuresSets[Sets]) -> Refusal | None:
    """Why f means nothing here; None if replacing everything lowers the metric, as it should.

    None too where that was not measured yet.
    """
    if measure.unknown([measure.none]):
        return None
    everything, nothing = measure.metric([measure.all, measure.none]).double().mean(1).tolist()
    if everything - nothing > measure.noise:
        return None
    return Refusal(
        code="ablation_does_not_hurt",
        text="replacing every part does not lower the metric by more than rounding "
        f"({everything:z.2f} becomes {nothing:z.2f}), so no share of it can be measured; try "
        "another ablation",
        data={"before": everything, "after": nothing, "noise": measure.noise},
    )
