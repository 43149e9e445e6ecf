"""Edges in every family: the identities that need no reference."""

import pytest
import torch

from pellucid import Contrast, ContrastBatch, attribute_edges
from pellucid.errors import UnsupportedArchitectureError
from pellucid.model.model import Model
from pellucid.run.ablation import replacements
from pellucid.run.edges.cut import run_cut
from pellucid.run.record import record
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from pellucid.run.variants import run_variants, unit_of
from tests.models.families import attention_families, tiny_model
from tests.models.verdict import REFUSED

QUESTIONS = ContrastBatch(
    (
        Contrast([31, 77, 45, 102, 5, 64, 18], [31, 77, 9, 102, 5, 64, 18], 10, 20),
        Contrast([90, 12, 110, 33, 71, 8, 56], [90, 12, 110, 33, 5, 8, 56], 30, 40),
    )
)
BESIDE = {"gemma4_text": "a gate for the inputs of each layer reads the stream behind the MLP"}
"""Families that open but have no edge scores, because more reads the stream than the slots."""
OTHERS = ("mask-ig", "slot-ig", "relp")
"""Methods beside eap: in every family one of them, and in the long form all."""
OPENED = [family for family in attention_families() if family not in (REFUSED | BESIDE)]


def opened(family: str) -> Model:
    """In double precision, unless kernels (experts) or norms (MiniCPM3) only know single."""
    try:
        model = Model.build(tiny_model(family).double())
    except (RuntimeError, UnsupportedArchitectureError):
        return Model.build(tiny_model(family))
    return Model.build(tiny_model(family)) if "mlp_in" in model.check.missing else model


def demand_sums(model: Model, method: str) -> None:
    """The scores of a method add up to those of the nodes that send."""
    steps = {"steps": 2} if method.endswith("-ig") else {}
    scores = attribute_edges(model, QUESTIONS, method=method, **steps)
    assert scores.identity_error < 1e-5  # many norms compute in single precision whatever comes


@pytest.mark.parametrize("family", BESIDE)
def test_what_reads_the_stream_beside_the_slots_is_noticed(family: str) -> None:
    with pytest.raises(UnsupportedArchitectureError, match="add up to something that differs"):
        attribute_edges(opened(family), QUESTIONS)


@pytest.mark.parametrize("family", OPENED)
def test_edges_add_up_and_cuts_reach_both_ends(family: str) -> None:
    model = opened(family)
    exact = model.dtype == torch.float64
    for method in ("eap", OTHERS[OPENED.index(family) % len(OTHERS)]):
        demand_sums(model, method)

    trace = record(model, QUESTIONS, sites=[*node_sites(model), *stream_sites(model)])
    values = replacements(trace, "corrupted", node_sites(model))
    edges = model.anatomy.edges
    node = min(3, len(model.nodes) - 1)
    cut = torch.stack([edges, torch.zeros_like(edges)])
    cut[1, node] = edges[node]
    setup = Setup(model=model, trace=trace)
    everything, one_node = run_cut(setup, cut, values)
    unit = unit_of(model.nodes[node])
    patched = run_variants(
        Setup(model=model, trace=trace), [unit], torch.ones(1, 1, dtype=torch.bool), values
    )[0]
    # Norms that compute in single precision turn two streams that differ in the last bit of double
    # precision into neighbours of single precision: how often depends on the processor.
    tolerance = 1e-7 if exact else 1e-4
    torch.testing.assert_close(everything, trace.metric_corrupted, atol=tolerance, rtol=0.0)
    torch.testing.assert_close(one_node, patched, atol=tolerance, rtol=0.0)
