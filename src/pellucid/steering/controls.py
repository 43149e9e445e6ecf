"""What every steering result stands beside: other directions, other texts, and what else changes.

KL          mean over tokens of KL(plain || steered), in nats
perplexity  exp of the mean negative log-probability of the text's own tokens
accuracy    share of a task's contrasts whose answer is above the foil
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pellucid.model.model import Model
from pellucid.model.running.taps import Tap, Taps
from pellucid.model.sites import Site
from pellucid.run.gradient import demand_finite
from pellucid.run.prompts import run_tapped
from pellucid.run.question import encode_contrast
from pellucid.shapes import Tokens
from pellucid.task.contrast import ContrastBatch

Vectors = dict[Site, Tensor]


@dataclass(frozen=True)
class Rows:
    """Texts as one rectangle, padded on the right."""

    tokens: Tokens
    lengths: Int[Tensor, " row"]

    @property
    def last(self) -> Int[Tensor, "row 1"]:
        """The position of each row's last token."""
        return (self.lengths - 1)[:, None]

    @property
    def predicted(self) -> Bool[Tensor, "row pos"]:
        """Positions whose next token is of the text too."""
        places = torch.arange(self.tokens.shape[1] - 1, device=self.tokens.device)
        return places < (self.lengths - 1)[:, None]


def rows_of(model: Model, texts: Sequence[Sequence[int]]) -> Rows:
    """Ids as rows."""
    longest = max(map(len, texts))
    padded = [[*ids, *[0] * (longest - len(ids))] for ids in texts]
    tokens = torch.tensor(padded, device=model.device)
    return Rows(tokens, torch.tensor([len(ids) for ids in texts], device=model.device))


def random_like(vectors: Vectors, seed: int) -> Vectors:
    """A random direction at each site, of the length of the vector there."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for site, vector in vectors.items():
        drawn = torch.randn(len(vector), generator=generator, dtype=torch.float64)
        drawn = (drawn / drawn.norm()).to(vector.device)
        found[site] = (drawn * vector.double().norm()).to(vector.dtype)
    return found


def adding_taps(vectors: Vectors) -> Taps:
    """Taps that add a vector at every position."""

    def adding(vector: Tensor) -> Tap:
        return lambda stream: stream + vector

    return {site: adding(vector) for site, vector in vectors.items()}


def preferences(
    model: Model, rows: Rows, pair: tuple[int, int], vectors: Vectors
) -> Float[Tensor, " row"]:
    """Logit of the first token minus that of the second behind each row. **Cost** 1 forward."""
    logits = run_tapped(model, rows.tokens, adding_taps(vectors), reads=rows.last)[:, 0].double()
    demand_finite(logits, "steered model's output")
    return (logits[:, pair[0]] - logits[:, pair[1]]).cpu()


@dataclass(frozen=True)
class Fluency:
    """What the model predicts on texts: its distributions, and its perplexity on them."""

    log_probabilities: Float[Tensor, "token d_vocab"]
    perplexity: float


def fluency(model: Model, rows: Rows, vectors: Vectors, skip: int = 0) -> Fluency:
    """Predictions of every text's tokens behind its first ``skip``. **Cost** 1 forward."""
    logits = run_tapped(model, rows.tokens, adding_taps(vectors))
    demand_finite(logits, "steered model's output")
    kept = rows.predicted[:, skip:]
    found = logits[:, skip:-1][kept].float().log_softmax(-1)
    own = found.gather(1, rows.tokens[:, skip + 1 :][kept][:, None])
    return Fluency(found, float(own.double().mean().neg().exp()))


def shift_in_kl(plain: Fluency, other: Fluency) -> float:
    """Mean KL(plain || other) over tokens, in nats."""
    ours, theirs = plain.log_probabilities, other.log_probabilities
    return float((ours.exp() * (ours - theirs)).sum(-1).double().mean())


def accuracy(model: Model, contrasts: ContrastBatch, vectors: Vectors) -> float:
    """Share of contrasts whose answer is above the foil on the clean prompt. **Cost** 1 forward."""
    encoded = encode_contrast(model, contrasts)
    logits = run_tapped(model, encoded.clean, adding_taps(vectors), reads=encoded.reads[:, :1])
    rows = torch.arange(len(logits), device=logits.device)
    answers, foils = encoded.answers[:, 0], encoded.foils[:, 0]
    right = logits[rows, 0, answers] > logits[rows, 0, foils]
    return float(right.double().mean())
