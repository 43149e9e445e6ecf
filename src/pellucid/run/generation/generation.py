"""What a model wrote behind a prompt, and the decision that comes after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from pellucid.arguments import checks_kinds
from pellucid.errors import AlignmentError
from pellucid.model.model import Model
from pellucid.results.passes import Passes
from pellucid.results.result import Result
from pellucid.results.views import shown
from pellucid.run.prompts import read_prompt
from pellucid.task.contrast import Contrast
from pellucid.task.tokens import continuation_ids

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Ending: TypeAlias = Literal["end token", "length"]


@dataclass(frozen=True, kw_only=True)
class Generation(Result):
    """A prompt and what the model wrote behind it, token by token.

    ``positions`` counts through the whole text: the prompt's tokens first, then those written.
    """

    prompt_ids: tuple[int, ...]
    ids: tuple[int, ...]
    """Those written, an end token among them."""
    tokens: tuple[str, ...]
    """Of the whole text, so that labels put together spell it."""
    text: str
    """What was written."""
    log_probability: Float[Tensor, " token"]
    """Of each token written, by the model as it was edited, whatever the temperature."""
    ended_by: Ending
    values: Mapping[str, Tensor]
    """By the site's name, what was there behind all edits: ``[position ...]``. The last token
    written was not read by the model, so it has no value."""
    edits: tuple[str, ...]
    """Each edit in words."""
    seed: int
    temperature: float
    passes: Passes

    @property
    def written(self) -> range:
        """Positions of the tokens written."""
        return range(len(self.prompt_ids), len(self.prompt_ids) + len(self.ids))

    def to_frame(self) -> pd.DataFrame:
        """One row a token written: ``position token id log_probability``."""
        return pd.DataFrame(
            {
                "position": list(self.written),
                "token": list(self.tokens[len(self.prompt_ids) :]),
                "id": list(self.ids),
                "log_probability": self.log_probability.double().tolist(),
            }
        )

    @checks_kinds
    def contrast(
        self,
        model: Model,
        corrupted: str | Sequence[int],
        answer: str | int | Sequence[int],
        foil: str | int | Sequence[int],
        *,
        then: str | Sequence[int] = (),
    ) -> Contrast:
        """The decision after what was written, as a question that every method takes.

        What was written is frozen: it stands, with ``then`` behind it, after the prompt and after
        the ``corrupted`` prompt alike. So what differs reaches the decision only from the prompt's
        tokens, by way of attention to them, now and while the written tokens were read; patching at
        ``written`` positions measures the second. An end token at the end is left out.

        **Raises** ``AlignmentError`` for a corrupted prompt of another number of tokens, and what
        prompts and answers raise that are not tokens of this model.
        """
        other = read_prompt(model, corrupted, name="corrupted prompt")
        if len(other) != len(self.prompt_ids):
            raise AlignmentError(
                f"The prompt has {len(self.prompt_ids)} tokens and the corrupted prompt "
                f"{len(other)}: the same text stands behind both, so they must have equally many. "
                "Replace words only by words of as many tokens.",
                lengths=(len(self.prompt_ids), len(other)),
            )
        size = model.anatomy.d_vocab
        more: tuple[int, ...] = ()
        if len(then):
            more = continuation_ids(then, model.tokenizer, name="then", vocab_size=size)
        kept = self.ids[:-1] if self.ended_by == "end token" else self.ids
        ends = [continuation_ids(x, model.tokenizer, vocab_size=size) for x in (answer, foil)]
        return Contrast(self.prompt_ids + kept + more, other + kept + more, *ends)

    def plot(self) -> "Figure":
        """What was written as text, each token on the colour of its probability."""
        return shown(self, "figure")

    def __str__(self) -> str:
        return str(shown(self, "text"))
