"""Results to report."""

import pytest
import torch

from pellucid import Analysis, Contrast, HeadRoles, Node, Passes, analyze, load

NASTY = "<script>x()</script> \U0001f600 \u05e9\u05dd a"


@pytest.fixture(scope="session")
def analysis(random_gpt2) -> Analysis:
    """Of a random model; the prompt holds markup, an emoji and text from right to left."""
    contrast = Contrast(clean=NASTY, corrupted=NASTY[:-1] + "b", answer="x", foil="y")
    return analyze(load(str(random_gpt2)), contrast, insist=True, random_sets=3)


@pytest.fixture(scope="session")
def tiny_roles() -> HeadRoles:
    """Scores of six heads for two roles: one held by two heads, one by none but for its null."""
    score = torch.tensor([[0.9, 0.1], [0.5, 0.6], [0.3, 0.2], [0.2, 0.0], [0.1, 0.0], [0.0, 0.0]])
    null = torch.zeros(2, 6, 2)
    null[1, 3, 1] = 0.7
    return HeadRoles(
        seed=0,
        sequences=1,
        length=8,
        heads=tuple(Node("head", layer, head) for layer in range(3) for head in range(2)),
        roles=("previous", "induction"),
        thresholds=torch.tensor([0.4, 0.4]),
        score=score,
        null=null,
        checks=(),
        loss=torch.zeros(15),
        loss_first=1.0,
        loss_second=1.0,
        sampled=1,
        unmeasured={},
        passes=Passes(forwards=1),
    )
