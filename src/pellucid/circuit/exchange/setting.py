"""The question that a circuit answers, as files for other tools state it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pellucid.model.model import Model
from pellucid.run.answers import metrics_of, spell
from pellucid.task.contrast import Contrast, ContrastBatch, Contrasts
from pellucid.task.encode import Resolved


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A model, and the first of the prompts on which the circuit was found."""

    model: Model
    contrast: Contrast
    examples: int
    """How many prompts there were."""

    @classmethod
    def of(cls, model: Model, contrast: Contrasts) -> "Setting":
        """The setting of a circuit of ``model``, found on ``contrast``."""
        batch = ContrastBatch.of(contrast)
        return cls(model=model, contrast=next(iter(batch)), examples=len(batch))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The clean prompt, token by token; numbers where there is no tokenizer."""
        return tuple(spell(self.model, token) for token in self.resolved.clean)

    @property
    def prompt(self) -> str:
        """The clean prompt as text."""
        given = self.contrast.clean
        return given if isinstance(given, str) else self._joined(self.resolved.clean)

    @property
    def facts(self) -> dict[str, str]:
        """Model and question, by name."""
        return {
            "model": self.model.name,
            "prompt": self.prompt,
            "answer": self._joined(self.resolved.answer),
            "foil": self._joined(self.resolved.foil),
            "examples": str(self.examples),
        }

    @cached_property
    def resolved(self) -> Resolved:
        """The question as ids."""
        return self.contrast.resolve(
            self.model.tokenizer,
            max_positions=self.model.max_positions,
            vocab_size=self.model.anatomy.d_vocab,
        )

    def probability(self) -> float:
        """The model's probability of the answer after the clean prompt.

        **Cost** 2 forwards.
        """
        ((clean, _),) = metrics_of(self.model, [self.contrast], "log_prob")
        return math.exp(clean)

    def _joined(self, ids: Sequence[int]) -> str:
        between = "" if self.model.tokenizer else " "
        return between.join(spell(self.model, token) for token in ids)
