"""Models without a circuit, and whether p-values of edge scores are uniform on them.

Weights, prompts, answers and foils are random. Which of the two continuations is called the answer
is a coin toss that decides nothing but the sign of all of an example's scores, so under any method
the scores of an edge are symmetric about zero: the null of the sign-flip test is exactly true, and
every edge that is reported is a false discovery.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from scipy.stats import false_discovery_control

from pellucid.attribution.edges.scores import EdgeScores
from pellucid.model.model import Model
from pellucid.model.tiny import TinyConfig, TinyTransformer
from pellucid.results.registry import stored
from pellucid.stats.signflip import sign_flip_each
from pellucid.task.contrast import Contrast, ContrastBatch

_SMALL = TinyConfig(num_attention_heads=2, num_key_value_heads=2, d_mlp=16)
NULLS: dict[str, TinyConfig] = {
    "layer": replace(_SMALL, norm="layer"),
    "rms-rotary-gated": replace(_SMALL, rotary_pairs=2, mlp="gated"),
    "grouped": replace(_SMALL, num_attention_heads=4),
    "attention-only": replace(_SMALL, norm="none", d_mlp=0),
}
EXAMPLES = 12
"""Examples of one test: so many have every pattern of signs counted; the least p is 0.0005."""
_LENGTH = 6
NOMINAL = 0.1
"""Rate of false discoveries that Benjamini and Hochberg's rule is asked for."""


@stored
@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How often a method's p-values are small where nothing is to be found."""

    method: str
    tests: int
    """Questions, each with a p-value for every edge."""
    below_5: float
    """Share of p-values of at most 0.05."""
    below_1: float
    discovering: float
    """Share of questions in which anything is discovered at a nominal rate of 0.1."""

    @property
    def ratio(self) -> float:
        """False discoveries over nominal; at most about 1 if the p-values are honest."""
        return self.discovering / NOMINAL


def null_questions(config: TinyConfig, tests: int, *, seed: int = 0) -> tuple[Model, ContrastBatch]:
    """A random model, and ``tests`` times ``EXAMPLES`` random questions to it."""
    random = Random(seed)
    model = Model.build(TinyTransformer(config, seed=seed).eval())

    def draw() -> Contrast:
        clean = random.choices(range(config.vocab_size), k=_LENGTH)
        place = random.randrange(_LENGTH)
        other = random.choice([t for t in range(config.vocab_size) if t != clean[place]])
        answer, foil = random.sample(range(config.vocab_size), 2)
        return Contrast(clean, [*clean[:place], other, *clean[place + 1 :]], answer, foil)

    return model, ContrastBatch(tuple(draw() for _ in range(tests * EXAMPLES)))


def calibrate(
    method: str, score: Callable[[Model, ContrastBatch], EdgeScores], *, tests: int = 50
) -> Calibration:
    """Test every edge of every null model, ``tests`` times each.

    Edges that a method never scores but 0 are left out.

    **Cost** that of ``score`` once per null model.
    """
    found = []
    for seed, config in enumerate(NULLS.values()):
        model, contrast = null_questions(config, tests, seed=seed)
        scores = score(model, contrast)
        values = scores.per_example[:, scores.exists].double()
        values = values[:, (values != 0).any(0)]
        found += [sign_flip_each(one.numpy()) for one in values.split(EXAMPLES)]
    every = np.concatenate(found)
    discovering = [bool((false_discovery_control(p) <= NOMINAL).any()) for p in found]
    return Calibration(
        method=method,
        tests=len(found),
        below_5=float((every <= 0.05).mean()),
        below_1=float((every <= 0.01).mean()),
        discovering=float(np.mean(discovering)),
    )
