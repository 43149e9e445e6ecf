"""The default: two gradients, and what is measured beside them."""

import pytest
import torch

import pellucid
from pellucid.attribution.atp_mask import LARGEST
from pellucid.model.sites import site_of
from pellucid.run import mixture, record
from pellucid.run.gradient import differentiate
from pellucid.run.mixture import SHARE
from pellucid.run.sites import node_sites
from tests.models.questions import VARIETIES, tiny_model


def test_embedding_and_first_mlp_are_measured_and_nothing_else(tiny, batch):
    found = pellucid.attribute(tiny, batch)
    exact = pellucid.patch(tiny, batch, sites="nodes")
    columns = [i for i, node in enumerate(found.nodes) if node.name in ("embed", "M0")]
    torch.testing.assert_close(found.measured[:, columns], exact.per_example[:, 0, columns])
    assert int(found.measured[0].isfinite().sum()) == len(columns)
    assert torch.equal(found.score[columns], found.effect[columns])


def test_without_mlps_only_the_embedding_is_measured(pair):
    model = tiny_model(VARIETIES["attention-only"])
    found = pellucid.attribute(model, pair)
    assert [n.name for n, v in zip(found.nodes, found.effect, strict=True) if v.isfinite()] == [
        "embed"
    ]
    assert (found.passes.forwards, found.passes.backwards) == (3, 2)


def test_the_second_point_is_the_slope_at_the_mixture_and_the_largest_are_means(tiny, pair):
    """Finite differences along one node's change, from the mixture of all."""
    trace = pellucid.record(tiny, pair)
    atp = pellucid.attribute(tiny, pair, method="atp", trace=trace).estimate
    found = pellucid.attribute(tiny, pair)

    def metric(node: pellucid.Node, step: float) -> float:
        def change(site, value):
            moved = SHARE * value + (1 - SHARE) * trace.corrupted[site]
            if site == site_of(node):
                way = trace.clean[site] - trace.corrupted[site]
                if node.head is not None:  # that head alone
                    way = way * torch.eye(way.shape[-2])[node.head][:, None]
                moved = moved + step * way
            return moved

        ran = differentiate(tiny, trace.objective, node_sites(tiny), change=change)
        return float(ran.metric)

    slopes = torch.tensor(
        [(metric(node, 1e-4) - metric(node, -1e-4)) / 2e-4 for node in found.nodes],
        dtype=torch.double,
    )
    unknown = found.measured[0].isnan()
    size = torch.maximum(atp.abs(), slopes.abs()).where(unknown, -torch.inf)
    wanted = torch.where(unknown, atp, slopes)
    largest = size.topk(min(LARGEST, int(unknown.sum()))).indices
    wanted[largest] = (atp + slopes)[largest] / 2
    torch.testing.assert_close(found.estimate, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kept", [True, False], ids=["a recording given", "recorded"])
def test_in_one_call_or_several_the_numbers_are_the_same(kept, one_tiny, batch, monkeypatch):
    together = pellucid.attribute(one_tiny, batch)
    assert together.passes.calls == 1
    for module in (record, mixture):
        monkeypatch.setattr(module, "ride_together", lambda *a: False)
    trace = pellucid.record(one_tiny, batch) if kept else None
    apart = pellucid.attribute(one_tiny, batch, trace=trace)
    assert apart.passes.calls > 1
    torch.testing.assert_close(apart.by_position, together.by_position)
    torch.testing.assert_close(apart.measured, together.measured, equal_nan=True)


def test_it_is_saved_and_loads(one_tiny, pair, tmp_path):
    found = pellucid.attribute(one_tiny, pair)
    found.save(tmp_path / "kept")
    again = pellucid.Attribution.load(tmp_path / "kept")
    assert torch.equal(again.score, found.score)
    assert again.effect.isnan().equal(found.effect.isnan())


def test_parts_inside_nodes_are_ranked_by_atp(one_tiny, pair):
    found = pellucid.attribute(one_tiny, pair, parts="M1.neurons")
    assert found.method == "atp"
    assert found.effect.isnan().all()
