"""No analysis takes more forwards than was said before it was run."""

import pytest
import torch

import pellucid
from pellucid import AnalysisOptions, most_forwards
from pellucid.analysis.forwards import CHECKED, REPAIR, forwards_by_step
from pellucid.analysis.question import forwards_to_judge
from pellucid.task.contrast import Contrast
from tests.models.ioi_prompts import CORRUPTED, PROMPT

IOI = Contrast(PROMPT, CORRUPTED, " Mary", " John")
SETS = [
    {},
    {"over": "heads+mlps"},
    {"random_sets": 6, "target": 0.3},
    {"random_sets": 4, "over": "heads+mlps", "ablation": "mean", "target": 0.3},
    {"search": "mfc", "ablation": "zero"},
    {"search": "mfc", "over": "heads+mlps", "budget": 30},
    {"method": "ig", "budget": 40},
    {"method": "mask-ig", "metric": "kl"},
    {"metric": "prob_diff", "seed": 3, "budget": 300},
]


@pytest.mark.parametrize("chosen", SETS, ids=str)
def test_tiny_models_take_no_more(tiny, pair, batch, chosen):
    bound = most_forwards(tiny, AnalysisOptions(insist=True, **chosen))
    for asked in (pair, batch):
        found = pellucid.analyze(tiny, asked, insist=True, **chosen)
        assert found.passes.forwards <= bound


@pytest.mark.smol
def test_smollm2_takes_no_more_with_a_corrupted_prompt_made_here(smol):
    asked = {"prompt": PROMPT, "answer": " Mary", "foil": " John"}
    judged = forwards_to_judge(smol, *asked.values())
    assert judged > 2
    options = AnalysisOptions(random_sets=10)
    spent = pellucid.analyze(smol, **asked, **options.changed).passes.forwards
    assert spent <= most_forwards(smol, options, judged=judged)


@pytest.mark.smol
def test_smollm2_takes_at_least_half_where_the_search_spends_its_budget(smol):
    options = AnalysisOptions(over="heads+mlps", budget=70, random_sets=10)
    found = pellucid.analyze(smol, IOI, **options.changed)
    assert "the budget ended" in found.circuit.note
    assert found.passes.forwards <= most_forwards(smol, options) <= 2 * found.passes.forwards


def test_the_steps_add_up_and_follow_the_options(one_tiny):
    steps = forwards_by_step(one_tiny, AnalysisOptions(budget=50, random_sets=7), judged=4)
    assert sum(steps.values()) == most_forwards(
        one_tiny, AnalysisOptions(budget=50, random_sets=7), judged=4
    )
    assert steps["record"] + steps["curve"] + steps["refine, prune and check"] == 50
    assert steps["judge corrupted prompts"] == 4
    assert steps["random sets"] == 14
    assert steps["self-repair"] == REPAIR
    checked = min(CHECKED, len(one_tiny.nodes) - 1)
    assert steps["faithfulness and check of estimates"] == 4 + 4 + checked
    kl = forwards_by_step(one_tiny, AnalysisOptions(method="ig", metric="kl"))
    assert (kl["record"], kl["self-repair"], kl["attribute by ig"]) == (3, 0, 4 + 8 + 16 + 32 + 64)


def test_what_was_measured_to_rank_is_not_measured_again(tiny, pair, monkeypatch):
    asked = []

    def patch(*given, only, **options):
        asked.extend(only)
        return pellucid.patch(*given, only=only, **options)

    monkeypatch.setattr("pellucid.analysis.analyze.patch", patch)
    found = pellucid.analyze(tiny, pair, insist=True, random_sets=0).patches
    names = [place.name for place in found.places]
    assert set(names) - set(asked) <= {"M0"}
    assert ("M0" in names) == ("M0" in [node.name for node in tiny.nodes])
    assert "M0" not in asked
    wanted = pellucid.patch(tiny, pair, sites="nodes", only=names)
    assert wanted.places == found.places
    torch.testing.assert_close(found.per_example, wanted.per_example)
