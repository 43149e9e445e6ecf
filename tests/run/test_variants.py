"""Batched edited runs equal the same edits done one at a time with plain hooks."""

import dataclasses

import pytest
import torch

import pellucid
from pellucid import EditError, Site
from pellucid.run.ablation import replacements
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from pellucid.run.variants import POSITIONS_PER_CALL, Unit, run_variants, variants_per_call


@pytest.fixture
def trace(tiny, pair):
    projections = [Site(kind, 1) for kind in ("q", "k", "v")]
    sites = [*node_sites(tiny), *stream_sites(tiny), Site("attn_out", 1), *projections]
    return pellucid.record(tiny, pair, sites=sites)


def brute_force(model, trace, site, heads, positions, value):
    """The metric with one site replaced, by a hook of torch and nothing of ours."""
    block = model.module.layers[site.layer]
    width = model.anatomy.blocks[site.layer].attention.d_head

    def put(x):
        x = x.clone()
        for position in positions:
            for head in heads:
                part = slice(None) if head is None else slice(head * width, (head + 1) * width)
                source = value if head is None else value.flatten(2)
                x[:, position, part] = source[:, position, part]
        return x

    if site.kind == "z":
        handle = block.attention.o_proj.register_forward_pre_hook(lambda m, a: (put(a[0]),))
    elif site.kind == "resid_pre":
        handle = block.register_forward_pre_hook(lambda m, a: (put(a[0]), *a[1:]))
    else:
        target = {
            "mlp_out": block.mlp,
            "attn_out": block.attention,
            "q": block.attention.q_proj,
            "k": block.attention.k_proj,
            "v": block.attention.v_proj,
        }[site.kind]
        handle = target.register_forward_hook(lambda m, a, out: put(out))
    try:
        with torch.no_grad():
            logits = model.module(trace.encoded.clean).logits[0, -1]
    finally:
        handle.remove()
    return float(logits[6] - logits[8])


@pytest.mark.parametrize("kind", ["z", "mlp_out", "attn_out", "resid_pre", "q", "k", "v"])
def test_each_variant_equals_brute_force(kind, tiny, trace):
    site = Site(kind, 1)
    if site not in trace.clean:
        pytest.skip("an attention-only model has no MLP")
    shape = trace.clean[site].shape
    heads = range(shape[2]) if site.by_head else [None]
    units = [Unit(site, head) for head in heads]
    length = shape[1]
    replaced = torch.eye(len(units), dtype=torch.bool).repeat_interleave(length, 0)
    positions = torch.eye(length, dtype=torch.bool).repeat(len(units), 1)
    found = run_variants(
        Setup(model=tiny, trace=trace),
        units,
        replaced,
        {site: trace.corrupted[site]},
        positions=positions,
    )
    wanted = [
        brute_force(tiny, trace, site, [head], [position], trace.corrupted[site])
        for head in heads
        for position in range(length)
    ]
    torch.testing.assert_close(found[:, 0], torch.tensor(wanted, dtype=torch.float64))


def test_shortcuts_and_the_memory_budget_change_no_number(smol):
    from tests.models.questions import IOI

    sites = [*node_sites(smol), *stream_sites(smol)]
    trace = pellucid.record(smol, IOI, sites=sites)
    units = [Unit(Site("z", layer), head) for layer in (3, 17, 28) for head in range(9)]
    values = {unit.site: trace.corrupted[unit.site] for unit in units}
    replaced = torch.eye(len(units), dtype=torch.bool)
    assert trace.past is not None
    assert trace.past.length == 9
    quick = run_variants(Setup(model=smol, trace=trace), units, replaced, values)
    without = dataclasses.replace(smol.check, can_start_late=False, can_share_prefix=False)
    slow = run_variants(
        Setup(
            model=dataclasses.replace(smol, check=without),
            trace=dataclasses.replace(trace, past=None),
            memory_budget=1,
        ),
        units,
        replaced,
        values,
    )
    torch.testing.assert_close(quick, slow, rtol=0, atol=2e-4)


@pytest.mark.parametrize("base", ["clean", "corrupted"])
def test_replacing_with_itself_changes_nothing(base, tiny, trace):
    recorded = trace.clean if base == "clean" else trace.corrupted
    units = [Unit(site) for site in node_sites(tiny)]
    values = {unit.site: recorded[unit.site] for unit in units}
    replaced = torch.ones(1, len(units), dtype=torch.bool)
    found = run_variants(Setup(model=tiny, trace=trace), units, replaced, values, base=base)
    wanted = trace.metric_clean if base == "clean" else trace.metric_corrupted
    torch.testing.assert_close(found[0], wanted, rtol=0, atol=1e-12)


def test_mean_is_over_real_positions_of_both_prompts(one_tiny, batch):
    trace = pellucid.record(one_tiny, batch)
    site = Site("z", 1)
    alone = [pellucid.record(one_tiny, contrast) for contrast in batch]
    pieces = [t.clean[site][0] for t in alone] + [t.corrupted[site][0] for t in alone]
    found = replacements(trace, "mean", [site])[site]
    torch.testing.assert_close(found[0, 0], torch.cat(pieces).mean(0))


def test_resampling_moves_every_row_and_needs_several(one_tiny, pair):
    from pellucid import Contrast, ContrastBatch

    other = Contrast([1, 2, 3, 4, 5, 6], [1, 2, 9, 4, 5, 6], 10, 11)
    trace = pellucid.record(one_tiny, ContrastBatch((pair, other)))
    site = Site("z", 0)
    found = replacements(trace, "resample", [site])[site]
    assert torch.equal(found, trace.corrupted[site].flip(0))
    with pytest.raises(EditError, match="at least two examples"):
        replacements(pellucid.record(one_tiny, pair), "resample", [site])


@pytest.mark.parametrize("shared", [0, 2])
def test_as_many_variants_ride_in_a_call_as_memory_and_speed_allow(
    one_tiny, batch, shared, monkeypatch
):
    trace = pellucid.record(one_tiny, batch)
    rows, length = trace.encoded.clean.shape
    reads = trace.encoded.reads.shape[1]
    # Of a position: thirty vectors and the scores of its heads; of a row: three times its logits.
    heads = one_tiny.anatomy.blocks[0].attention.n_heads
    position = 30 * one_tiny.anatomy.d_model + length * heads
    row = (length - shared) * position + 3 * reads * one_tiny.anatomy.d_vocab
    bytes_of_one = 4 * rows * row

    def in_a_call(budget):
        setup = Setup(model=one_tiny, trace=trace, memory_budget=budget)
        return variants_per_call(setup, shared)

    assert in_a_call(3 * bytes_of_one) == 3
    assert in_a_call(3 * bytes_of_one - 1) == 2
    assert in_a_call(1) == 1
    assert in_a_call(1 << 40) == POSITIONS_PER_CALL["cpu"] // (rows * (length - shared))
    monkeypatch.setitem(POSITIONS_PER_CALL, "cpu", 5 * rows * (length - shared))
    assert in_a_call(1 << 40) == 5
    assert in_a_call(2 * bytes_of_one) == 2


def test_the_estimate_of_a_call_s_memory_is_not_below_what_its_modules_hold(one_tiny, batch):
    trace = pellucid.record(one_tiny, batch)
    setup = Setup(model=one_tiny, trace=trace)
    largest = []
    handles = [
        module.register_forward_hook(lambda m, a, out: largest.append(out.numel()))
        for layer in one_tiny.module.layers[:1]
        for module in layer.modules()
    ]
    try:
        unit = Unit(Site("z", 0), 1)
        run_variants(setup, [unit], torch.ones(1, 1, dtype=torch.bool),
                     {unit.site: trace.corrupted[unit.site]})  # fmt: skip
    finally:
        for handle in handles:
            handle.remove()
    held = 4 * sum(largest)
    assert variants_per_call(dataclasses.replace(setup, memory_budget=held), 0) == 1
