"""What was drawn when examples were drawn: the units over which a figure varies.

Prompts that share a template or a name are not independent, so that a hundred of them may say no
more than a dozen. Each *way* of sharing (the template, a name) puts the examples into clusters; an
example without a label in a way is a cluster of its own there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from pellucid.results.registry import stored


@stored
@dataclass(frozen=True, kw_only=True)
class Units:
    """``n`` examples, and for each way of sharing the label of every one of them."""

    n: int
    ways: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    """One tuple of ``n`` labels for each way; "" for what is shared with no other."""

    @classmethod
    def of(cls, n: int, labels: Mapping[str, Sequence[str]]) -> "Units":
        """Those ways alone in which examples do share something.

        **Raises** ``ValueError`` for labels that are not one for each example.
        """
        wrong = {way: len(some) for way, some in labels.items() if len(some) != n}
        if wrong:
            raise ValueError(f"{n} examples and labels of other number: {wrong}")
        kept = {way: tuple(some) for way, some in labels.items() if _shared(some)}
        return cls(n=n, ways=tuple(kept), labels=tuple(kept.values()))

    @property
    def clusters(self) -> list[Int[np.ndarray, " example"]]:
        """For each way the cluster of every example; each example its own where there is none."""
        if not self.ways:
            return [np.arange(self.n)]
        return [_numbered(labels) for labels in self.labels]

    @property
    def counts(self) -> tuple[int, ...]:
        """Clusters in each way."""
        return tuple(int(one.max()) + 1 if one.size else 0 for one in self.clusters)

    @property
    def fewest(self) -> int:
        """Clusters in the way that has the fewest."""
        return min(self.counts)

    def take(self, examples: Sequence[int]) -> "Units":
        """The units of these examples only, in this order."""
        labels = {
            way: [some[i] for i in examples]
            for way, some in zip(self.ways, self.labels, strict=True)
        }
        return Units.of(len(examples), labels)

    def __str__(self) -> str:
        prompts = f"{self.n} {'prompt' if self.n == 1 else 'prompts'}"
        if not self.ways:
            return prompts
        counted = (f"{n} by {way}" for way, n in zip(self.ways, self.counts, strict=True))
        return f"{prompts}, {', '.join(counted)}"


def _shared(labels: Sequence[str]) -> bool:
    """Whether any label stands at two examples."""
    named = [label for label in labels if label]
    return len(set(named)) < len(named)


def _numbered(labels: Sequence[str]) -> Int[np.ndarray, " example"]:
    """Clusters as numbers from 0; what has no label is in one of its own."""
    keys = [(label, -1) if label else ("", i) for i, label in enumerate(labels)]
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=int)
