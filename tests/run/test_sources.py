"""Each part's value from another prompt's run, against plain hooks that put them in one by one."""

import pytest
import torch

import pellucid
from pellucid import Contrast, ContrastBatch, EditError
from pellucid.model.named_parts import parts_named
from pellucid.model.sites import site_of
from pellucid.passes import metering
from pellucid.run.setup import Setup
from pellucid.run.sites import node_sites, stream_sites
from pellucid.run.sources import UNCHANGED, run_from_sources
from pellucid.run.variants import run_variants, unit_of
from tests.models.readable import small_gpt2

PAIR = Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8)
SECOND = Contrast([8, 1, 12, 6, 2, 5], [8, 1, 20, 6, 2, 5], 9, 3)
OTHERS = ([1, 2, 3, 4, 5, 6], [13, 30, 2, 8, 21, 9], [40, 11, 7, 3, 3, 17])
NAMES = ("L0H1", "L0H2", "L1H0", "M1", "M2N5", "M2N7")


@pytest.fixture(scope="module")
def model():
    return small_gpt2()


@pytest.fixture(scope="module")
def parts(model):
    return parts_named(model.anatomy, NAMES)


@pytest.fixture(scope="module")
def values(model, parts):
    sites = list(dict.fromkeys(map(site_of, parts)))
    others = ContrastBatch(tuple(Contrast(ids, PAIR.corrupted, 6, 8) for ids in OTHERS))
    return pellucid.record(model, others, sites=sites).clean


def setup_of(model, contrast, sites=()):
    every = [*node_sites(model), *stream_sites(model), *sites]
    return Setup(model=model, trace=pellucid.record(model, contrast, sites=every))


def module_of(model, part):
    """A part's module, whether its input is the part, and its columns."""
    block = model.module.transformer.h[part.layer]
    if part.kind == "head":
        return block.attn.c_proj, True, slice(8 * part.head, 8 * part.head + 8)
    if part.kind == "neuron":
        return block.mlp.c_proj, True, slice(part.head, part.head + 1)
    return block.mlp, False, slice(None)


def by_hand(model, contrast, parts, sources):
    """The metric with a hook of torch's own for each part, which holds what a plain run gave it."""
    kept = {}

    def through(hooks, prompt):
        handles = []
        for part, hook in zip(parts, hooks, strict=True):
            module, reads, columns = module_of(model, part)
            if reads:
                handle = module.register_forward_pre_hook(
                    lambda m, args, hook=hook, c=columns: (hook(args[0], c),)
                )
            else:
                handle = module.register_forward_hook(
                    lambda m, args, out, hook=hook, c=columns: hook(out, c)
                )
            handles.append(handle)
        with torch.no_grad():
            logits = model.module(torch.tensor([list(prompt)])).logits[0, -1]
        for handle in handles:
            handle.remove()
        return logits

    def keeping(part, source):
        def hook(value, columns):
            kept[part, source] = value[..., columns].clone()
            return value

        return hook

    def putting(part, source):
        def hook(value, columns):
            new = value.clone()
            if source != UNCHANGED:
                new[..., columns] = kept[part, source]
            return new

        return hook

    for source, ids in enumerate(OTHERS):
        through([keeping(part, source) for part in parts], ids)
    hooks = [putting(part, source) for part, source in zip(parts, sources, strict=True)]
    logits = through(hooks, contrast.clean)
    return float(logits[contrast.answer] - logits[contrast.foil])


def test_every_part_takes_what_it_gave_on_a_prompt_of_its_own(model, parts, values):
    drawn = torch.randint(-1, 3, (9, len(parts)), generator=torch.Generator().manual_seed(0))
    batch = ContrastBatch((PAIR, SECOND))
    setup = setup_of(model, batch)
    with metering() as meter:
        found = run_from_sources(setup, parts, drawn, values)
    assert (meter.passes.forwards, meter.passes.backwards) == (len(drawn), 0)
    wanted = [[by_hand(model, one, parts, row) for one in batch] for row in drawn.tolist()]
    torch.testing.assert_close(
        found, torch.tensor(wanted, dtype=torch.float64), atol=1e-9, rtol=1e-9
    )


def test_the_budget_changes_no_number_and_parts_left_alone_none(model, parts, values):
    drawn = torch.randint(-1, 3, (5, len(parts)), generator=torch.Generator().manual_seed(1))
    setup = setup_of(model, PAIR)
    small = Setup(model=model, trace=setup.trace, memory_budget=1)
    whole = run_from_sources(setup, parts, drawn, values)
    torch.testing.assert_close(run_from_sources(small, parts, drawn, values), whole)
    alone = run_from_sources(setup, parts, torch.full((2, len(parts)), UNCHANGED), values)
    assert torch.equal(alone, setup.trace.metric_clean.repeat(2, 1))


def test_one_source_for_all_is_what_variants_measure(model, parts):
    sites = list(dict.fromkeys(map(site_of, parts)))
    setup = setup_of(model, PAIR, sites)
    corrupted = {site: setup.trace.corrupted[site] for site in sites}
    mask = torch.rand(6, len(parts), generator=torch.Generator().manual_seed(2)) < 0.5
    found = run_from_sources(setup, parts, torch.where(mask, 0, UNCHANGED), corrupted)
    wanted = run_variants(setup, [unit_of(part) for part in parts], mask, corrupted)
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-10)


def test_what_does_not_fit_is_refused(model, parts, values):
    setup = setup_of(model, PAIR)
    with pytest.raises(EditError, match="there are 3 other prompts"):
        run_from_sources(setup, parts, torch.full((1, len(parts)), 3), values)
    with pytest.raises(EditError, match="5 columns, for 6 parts"):
        run_from_sources(setup, parts, torch.zeros(1, 5, dtype=torch.long), values)
    fewer = {site: value for site, value in values.items() if site.kind != "neurons"}
    with pytest.raises(EditError, match="nothing for M2N5"):
        run_from_sources(setup, parts, torch.zeros(1, 6, dtype=torch.long), fewer)
    shorter = {site: value[:, :4] for site, value in values.items()}
    with pytest.raises(EditError, match="all have to be of one length"):
        run_from_sources(setup, parts, torch.zeros(1, 6, dtype=torch.long), shorter)
