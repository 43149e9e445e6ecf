"""What prompts share goes with them to where intervals are taken."""

import json

import pytest
import torch

import pellucid
from pellucid import Contrast, ContrastBatch, TaskError


def one(number: int, group: str = "", **fillers: str) -> Contrast:
    return Contrast([1, number], [2, number], 3, 4, group=group, fillers=fillers)


BATCH = ContrastBatch(
    tuple(one(i, "long" if i % 2 else "short", name=f"n{i % 3}") for i in range(12))
)


def test_units_are_counted_by_group_and_by_each_filler():
    assert str(BATCH.units) == "12 prompts, 2 by group, 3 by name"
    assert BATCH.encode(None).take([0, 1, 2]).units.ways == ("group",)
    assert str(ContrastBatch((one(1, "a"), one(2))).units) == "2 prompts"


def test_group_and_fillers_are_kept_in_json_and_left_out_where_there_are_none():
    assert ContrastBatch.from_json(BATCH.to_json()) == BATCH
    assert list(one(5).to_dict()) == ["clean", "corrupted", "answer", "foil"]
    assert json.loads(json.dumps(one(5, "g", name="x").to_dict()))["fillers"] == {"name": "x"}


@pytest.mark.parametrize("fillers", [["name"], {"name": 3}, "name", 5, {3: "name"}])
def test_fillers_that_are_not_text_are_refused(fillers):
    with pytest.raises(TaskError, match="give what stands in each place"):
        Contrast([1], [2], 3, 4, fillers=fillers)


def test_results_give_the_interval_of_every_figure(one_tiny):
    generator = torch.Generator().manual_seed(0)
    ids = torch.randperm(12, generator=generator).tolist()
    prompts = ContrastBatch(
        tuple(Contrast([i, 3, 5, 2], [(i + 1) % 12, 3, 5, 2], 6, 8) for i in ids)
    )
    found = pellucid.patch(one_tiny, prompts, sites="heads").intervals()
    assert ((found.low <= found.effect) & (found.effect <= found.high)).all()
    assert set(found.units) == {"12 prompts"}
    scores = pellucid.attribute_edges(one_tiny, prompts)
    edges = scores.intervals(top=5)
    assert list(edges.estimate.abs()) == sorted(edges.estimate.abs(), reverse=True)
    assert ((edges.low <= edges.estimate + 1e-3) & (edges.estimate - 1e-3 <= edges.high)).all()
    estimates = pellucid.attribute(one_tiny, prompts).intervals()
    assert ((estimates.low <= estimates.estimate) & (estimates.estimate <= estimates.high)).all()
    shares = pellucid.direct_effects(one_tiny, prompts).intervals()
    assert ((shares.low <= shares["share"]) & (shares["share"] <= shares.high)).all()
    few = pellucid.patch(one_tiny, list(prompts)[:3], sites="heads").intervals()
    assert few.low.isna().all()
    assert set(few.units) == {"3 prompts, and 10 are needed"}
