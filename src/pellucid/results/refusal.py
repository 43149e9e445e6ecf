"""That nothing is claimed, and why: a value to be asked for, not only a sentence to be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pellucid.results.provenance import Plain
from pellucid.results.registry import stored

RefusalCode: TypeAlias = Literal[
    "answer_not_preferred",
    "metric_not_lowered",
    "change_is_rounding",
    "preference_by_chance",
    "metric_change_by_chance",
    "change_as_of_random_tokens",
    "ablation_does_not_hurt",
    "target_not_reached",
    "metric_not_positive",
    "no_edge_beyond_chance",
]


@stored
@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why no circuit is claimed. ``print`` shows the sentence; ``data`` holds its numbers.

    answer_not_preferred        the model does not prefer the answer          ``preference``
    metric_not_lowered          corrupting the prompt does not lower the metric  ``difference``
    change_is_rounding          ... by no more than rounding can            ``difference noise``
    preference_by_chance        not beyond chance over examples  ``examples mean p``
    metric_change_by_chance     not beyond chance over examples  ``examples mean p``
    change_as_of_random_tokens  other tokens' logits change as much           ``share``
    ablation_does_not_hurt      replacing every part does not lower the metric
                                by more than rounding can             ``before after noise``
    target_not_reached          no small set reaches it          ``target``, ``smallest out_of``
    metric_not_positive         the method divides by it                      ``metric_clean``
    no_edge_beyond_chance       at the rate of false discoveries  ``rate examples edges least_p``
    """

    code: RefusalCode
    text: str
    data: Mapping[str, Plain] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text
