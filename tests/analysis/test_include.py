"""Lenses in an analysis are those of the same question, counted, foreseen, and kept with it."""

from typing import get_args

import pytest
import torch

import pellucid
from pellucid.analysis.include import CHOSEN_BY, forwards_of_included, heads_worth_showing
from pellucid.analysis.options import AnalysisOptions
from pellucid.errors import ArgumentError, EditError, TaskError
from pellucid.lens.tokens.token_attribution import DRAWN
from pellucid.options import Include
from pellucid.passes import metering
from pellucid.results.prose import at
from pellucid.task.contrast import Contrast
from tests.models.readable import small_gpt2
from tests.models.small import tiny as small

ALL = get_args(Include)
QUICK = {"insist": True, "random_sets": 0, "budget": 20}


@pytest.fixture(scope="module")
def gpt2():
    return small_gpt2()


@pytest.fixture(scope="module")
def found(gpt2, pair):
    return pellucid.analyze(gpt2, pair, **QUICK, include=ALL)


def ids(gpt2, pair):
    encoded = pellucid.record(gpt2, pair).encoded.resolved[0]
    return encoded.answer[0], encoded.foil[0]


def test_they_are_what_each_call_gives_alone(gpt2, pair, found):
    lens = pellucid.logit_lens(gpt2, pair.clean, targets=ids(gpt2, pair))
    assert torch.equal(found.lens.prompt.target_logit, lens.prompt.target_logit)
    direct = pellucid.direct_effects(gpt2, pair)
    assert torch.equal(found.direct_effects.per_example, direct.per_example)
    tokens = pellucid.token_attribution(gpt2, pair)
    assert torch.allclose(found.tokens.per_example, tokens.per_example, atol=1e-5)
    heads = [node.name for node in found.attention.heads]
    read = pellucid.attention(gpt2, pair.clean)
    for name in heads:
        assert torch.equal(found.attention.of(name), read.of(name))
    assert found.attention.chosen_by == CHOSEN_BY
    assert found.metric_clean == pytest.approx(float(direct.metric[0]), rel=1e-5, abs=1e-6)


def test_tokens_start_from_the_recording(found, pair, gpt2):
    length = len(found.tokens.tokens[0])
    assert found.tokens.passes.forwards == DRAWN * (1 + length)
    assert found.tokens.passes.backwards == 0
    alone = pellucid.token_attribution(gpt2, pair)
    assert alone.passes.forwards == found.tokens.passes.forwards + 2


def test_their_passes_are_counted_and_foreseen(gpt2, pair, found):
    without = pellucid.analyze(gpt2, pair, **QUICK)
    held = sum(one.passes.forwards for one in found.included.values())
    assert list(found.included) == list(ALL)
    assert found.passes.forwards == without.passes.forwards + held
    length = len(found.tokens.tokens[0])
    assert held == sum(forwards_of_included(gpt2, ALL, length).values())
    chosen = AnalysisOptions(include=ALL, **QUICK)
    assert found.passes.forwards <= pellucid.most_forwards(gpt2, chosen, length=length)


def test_a_block_in_parallel_is_one_point_of_the_lens_and_one_forward_less():
    for variety in ("parallel", "attention-only"):
        model = small(variety)
        points = len(pellucid.logit_lens(model, [1, 2, 3]).points)
        assert forwards_of_included(model, ["lens"], 3) == {"lens": 1 + points}


def test_heads_of_the_circuit_come_first_then_the_largest_effects(found):
    names = [node.name for node in found.attention.heads]
    inside = [name for name in found.circuit.names if name in names]
    assert set(names[: len(inside)]) == set(inside)
    places = [place.name for place in found.patches.places]
    effects = dict(zip(places, found.patches.effect[0].abs().tolist(), strict=True))
    for group in (names[: len(inside)], names[len(inside) :]):
        sizes = [effects[name] for name in group if name in effects]
        assert sizes == sorted(sizes, reverse=True)
    assert names == heads_worth_showing(found.attribution, found.patches, found.circuit)


def test_one_file_one_page_and_one_story_hold_them_all(found, tmp_path):
    assert pellucid.Result.load(found.save(tmp_path / "all")).to_json() == found.to_json()
    assert pellucid.Result.from_json(found.to_json()).included.keys() == found.included.keys()
    titles = [told.title for told in found.story()]
    for title in ("What the lens reads", "Direct effects", "Tokens", "Attention"):
        assert title in titles
        assert title in str(found)
        assert f"## {title}" in found.to_markdown()
    for told in found.story():
        for piece in (piece for sentence in told.sentences for piece in sentence):
            if not isinstance(piece, str) and isinstance(piece.value, float):
                assert at(found, piece.ref) == piece.value


def test_the_call_that_is_written_down_asks_for_them(found):
    assert "include=('lens', 'direct_effects', 'tokens', 'attention')" in found.provenance.command


def test_several_prompts_give_the_first_ones_lens_and_everyones_shares(gpt2, batch):
    found = pellucid.analyze(gpt2, batch, **QUICK, include=ALL)
    assert len(found.direct_effects.metric) == len(batch)
    assert len(found.tokens.tokens) == len(batch)
    assert len(found.lens.prompt.tokens) == len(found.attention.labels)


def test_what_cannot_be_included_is_refused_before_anything_runs(gpt2, pair):
    longer = Contrast(pair.clean, pair.corrupted, [*ids(gpt2, pair)], [1, 2])
    with metering() as meter:
        with pytest.raises(TaskError, match='include="direct_effects": Direct effects are shares'):
            pellucid.analyze(gpt2, longer, include=["direct_effects"])
        with pytest.raises(EditError, match="include='roles' is not known"):
            pellucid.analyze(gpt2, pair, include=["roles"])
        with pytest.raises(ArgumentError, match=r"include should be a list .* Give a list"):
            pellucid.analyze(gpt2, pair, include="lens")
    assert not meter.passes.forwards
    found = pellucid.analyze(gpt2, longer, include=["lens"], **QUICK)
    assert found.lens.targets == ()  # a lens follows single tokens


def test_options_hold_each_once_and_say_what_was_changed():
    assert AnalysisOptions(include=["tokens", "lens", "tokens"]).include == ("tokens", "lens")
    assert AnalysisOptions(include=[]).changed == {}
