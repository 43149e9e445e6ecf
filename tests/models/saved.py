"""Results to report."""

from dataclasses import replace

import pytest
import torch

from pellucid import Analysis, Backups, Contrast, HeadRoles, Node, Passes, analyze, load
from pellucid.circuit.self_repair.result import Growth, Repair

NASTY = "<script>x()</script> \U0001f600 \u05e9\u05dd a"


@pytest.fixture(scope="session")
def analysis(random_gpt2) -> Analysis:
    """Of a random model; the prompt holds markup, an emoji and text from right to left."""
    contrast = Contrast(clean=NASTY, corrupted=NASTY[:-1] + "b", answer="x", foil="y")
    return analyze(load(str(random_gpt2)), contrast, insist=True, random_sets=3)


@pytest.fixture(scope="session")
def with_backup(analysis) -> Analysis:
    """The same, in which one head is a backup and another was measured and is none."""
    free = [node for node in analysis.attribution.nodes if node.name not in analysis.circuit.names]
    heads = [node for node in free if node.kind == "head"]
    grown, other = (
        Growth(
            node=node, ablation="zero", round=1, others=(), estimate_before=0.0,
            estimate_after=growth, effect_before=0.25, effect_after=0.25 + growth, by_chance=0.3,
            p=None, grew=growth > 0.5, found=growth > 0.5,
        )
        for node, growth in zip(heads, (0.75, 0.125), strict=False)
    )  # fmt: skip
    repair = Repair(
        ablation="zero", metric_without=0.5, metric_beyond=0.0, repaired=0.375, rounds=1,
        settled=False, note="the budget ended",
    )  # fmt: skip
    found = Backups(
        primaries=analysis.circuit.nodes,
        looked_at=(other, grown),
        repairs=(repair,),
        metric_all=1.0,
        share=0.05,
        controls=19,
        passes=Passes(forwards=1),
        sets=19,
        p_by_sets=0.05,
    )
    return replace(analysis, backups=found)


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
