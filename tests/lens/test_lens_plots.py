"""``.plot()`` of a lens shows that lens' numbers, each in its place, and says what they are."""

from itertools import pairwise

import numpy as np
import pytest

import pellucid
from pellucid.errors import TaskError
from tests.figures.look import assert_nothing_is_clipped, assert_ticks_do_not_overlap, said
from tests.models.readable import small_gpt2
from tests.models.small import PAIR, tiny

PROMPT = [3, 7, 11, 2, 9, 4, 3, 7]
OTHER = [3, 7, 5, 2, 9, 4, 3, 7]


@pytest.fixture(scope="module")
def model():
    return small_gpt2()


@pytest.fixture(scope="module")
def two(model):
    """The lens on two prompts that part at the third token, with two targets."""
    return pellucid.logit_lens(model, PROMPT, against=OTHER, targets=[6, 8])


def grid(figure, panel=0) -> np.ndarray:
    return figure.axes[panel].images[0].get_array().filled(np.nan)


def in_cells(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def bar_lengths(figure) -> dict[str, float]:
    (panel,) = figure.axes
    names = [label.get_text() for label in panel.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in panel.patches], strict=True))


def test_the_lens_grid_holds_the_likeliest_tokens_and_their_probability(model):
    lens = pellucid.logit_lens(model, PROMPT)
    figure = lens.plot()
    np.testing.assert_allclose(grid(figure), lens.prompt.top_probability[..., 0])
    assert in_cells(figure) == [cell[0] for row in lens.prompt.top_tokens for cell in row]
    assert "probability of the likeliest token" in said(figure)
    assert_nothing_is_clipped(figure)


def test_two_prompts_show_both_tokens_where_they_differ_and_the_difference(two):
    figure = two.plot()
    shown = in_cells(figure)
    pairs = [
        (a[0], b[0])
        for one, other in zip(two.prompt.top_tokens, two.against.top_tokens, strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    assert shown == [a if a == b else f"{a} ¦ {b}" for a, b in pairs]
    later = [i for i, point in enumerate(two.points) if point.layer]
    end = float(two.difference[later].abs().max())
    np.testing.assert_allclose(grid(figure), two.difference.clamp(-end, end))
    assert "logit of 6 minus 8: on the first prompt minus on the other" in said(figure)
    assert "11¦5" in said(figure)


def test_the_divergence_of_two_prompts_is_framed_where_they_part(two):
    figure = two.plot("kl")
    frames = [p for p in figure.axes[0].patches if not p.get_fill()]
    parting = [point for point in two.parting() if point is not None]
    assert len(frames) == len(parting) > 0
    assert "in nats" in said(figure)


def test_the_difference_by_layer_is_that_of_the_last_position(two):
    figure = two.plot("layers")
    ours, other = (line.get_ydata() for line in figure.axes[0].lines[:2])
    np.testing.assert_allclose(ours, two.prompt.logit_difference[:, -1])
    np.testing.assert_allclose(other, two.against.logit_difference[:, -1])


def test_a_lens_refuses_views_that_it_has_nothing_for(model):
    lens = pellucid.logit_lens(model, PROMPT)
    for show, says in (("kl", "against="), ("difference", "two targets"), ("x", "choose one")):
        with pytest.raises(TaskError, match=says):
            lens.plot(show)


def test_direct_effects_are_drawn_as_a_map_and_as_bars_that_sum_to_the_metric():
    found = pellucid.direct_effects(small_gpt2(n_layer=5), PAIR)
    shares = {term.name: float(s) for term, s in zip(found.terms, found.share, strict=True)}
    assert grid(found.plot())[2, 3] == shares["L2H3"]
    lengths = bar_lengths(found.plot("bars"))
    assert sum(lengths.values()) == pytest.approx(float(found.metric.mean()))
    assert all(lengths[name] == shares[name] for name in lengths if name in shares)
    assert f"the other {len(shares) - 20}" in lengths


def test_direct_effects_by_source_need_the_split(model):
    with pytest.raises(TaskError, match='split="source"'):
        pellucid.direct_effects(model, PAIR).plot("sources")
    found = pellucid.direct_effects(model, PAIR, split="source")
    assert np.isclose(grid(found.plot("sources")).sum(), float(found.by_source.sum()))


def test_shares_against_effects_say_how_well_they_agree(model):
    found = pellucid.direct_effects(model, PAIR).compare(pellucid.patch(model, PAIR))
    for show, agreed in (("change", found.change_agreement), ("share", found.share_agreement)):
        figure = found.plot(show)
        points = figure.axes[0].collections[0].get_offsets()
        np.testing.assert_allclose(points[:, 1], found.effect)
        np.testing.assert_allclose(points[:, 0], getattr(found, show))
        assert f"Pearson {agreed.pearson:.2f}, Spearman {agreed.spearman:.2f}" in said(figure)


def test_patterns_are_drawn_for_the_heads_asked_for(model):
    found = pellucid.attention(model, PROMPT)
    figure = found.plot(heads=["L2H1", "L0H3"])
    for panel, name in enumerate(("L2H1", "L0H3")):
        np.testing.assert_allclose(np.nan_to_num(grid(figure, panel)), found.of(name), atol=1e-7)
    weighted = grid(found.plot("weighted", heads="L1H0"))
    np.testing.assert_allclose(np.nan_to_num(weighted), found.weighted[4], atol=1e-6)


def test_of_many_heads_those_that_look_at_something_are_drawn_and_the_title_says_so():
    model = small_gpt2(n_layer=4)
    figure = pellucid.attention(model, PROMPT).plot()
    assert len([p for p in figure.axes if p.images and p.get_title(loc="left")]) == 12
    assert "the 12 of 16 heads that look most" in said(figure)


@pytest.mark.parametrize("show", ["entropy", "first", "previous", "duplicate", "induction"])
def test_where_heads_look_is_a_map_of_sizes(model, show):
    found = pellucid.attention(model, PROMPT)
    figure = found.plot(show)
    values = found.entropy if show == "entropy" else found.share[show]
    np.testing.assert_allclose(grid(figure)[1, 2], values[6].nanmean(), rtol=1e-6)
    assert "supports the answer" not in said(figure)


def test_roles_are_maps_with_holders_framed_and_the_loss_a_line(model):
    found = pellucid.head_roles(model, sequences=2, length=8, nulls=1, controls=1)
    figure = found.plot()
    shown = [role for role in found.roles if role not in found.unmeasured]
    for panel, role in enumerate(shown):
        assert role in said(figure)
        frames = [p for p in figure.axes[panel].patches if not p.get_fill()]
        assert len(frames) == len(found.holders(role))
    assert "supports the answer" not in said(figure)
    one = grid(found.plot("copying"))
    np.testing.assert_allclose(one[1, 2], found.score[6, found.roles.index("copying")])
    loss = found.plot_loss()
    np.testing.assert_allclose(loss.axes[0].lines[0].get_ydata(), found.loss)
    assert "repetition begins" in said(loss)
    with pytest.raises(TaskError, match="no role"):
        found.plot("magic")


@pytest.mark.parametrize(("layers", "heads"), [(12, 12), (30, 9)])
def test_maps_of_whole_models_fit_their_page(layers, heads):
    from pellucid.figures.maps import maps
    from pellucid.model.anatomy import Node

    parts = [Node("head", layer, head) for layer in range(layers) for head in range(heads)]
    names = ["previous", "duplicate", "induction", "sink", "copying", "suppressing", "name_mover"]
    values = {name: np.linspace(-1, 1, len(parts)) for name in names}
    figure = maps(parts, values, title="Roles", label="score", highlight={"sink": ["L3H3"]})
    assert_nothing_is_clipped(figure)
    for panel in figure.axes[:7]:
        assert_ticks_do_not_overlap(panel)


def test_composition_is_a_map_of_receivers_and_senders(model):
    found = pellucid.composition(model, kinds=("k", "v"))
    np.testing.assert_allclose(grid(found.plot()), found.z[0])
    np.testing.assert_allclose(grid(found.plot("v", show="score")), found.score[1])
    assert "standard deviations above chance" in said(found.plot())
    with pytest.raises(TaskError, match="kind='q' was not computed"):
        found.plot("q")


def test_tokens_stand_in_reading_order_with_their_numbers():
    found = pellucid.token_attribution(tiny("rms"), PAIR, method="ig")
    figure = found.plot()
    numbers = [f"{value:+z.2f}" for value in found.per_example[0].tolist()]
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written[::2] == list(found.tokens[0])
    assert written[1::2] == numbers
    assert "positive supports the answer" in said(figure)
    lengths = list(bar_lengths(found.plot("bars")).values())
    np.testing.assert_allclose(lengths, found.per_example[0])
    with pytest.raises(TaskError, match="example=1"):
        found.plot(example=1)


def test_sixty_odd_tokens_are_broken_into_lines_without_overlap():
    from pellucid.figures.strip import strip
    from tests.figures.look import tokens

    figure = strip(np.linspace(-1, 1, 60), tokens(60), title="Tokens", label="effect")
    boxes = [patch.get_bbox() for patch in figure.axes[0].patches]
    assert len({box.y0 for box in boxes}) > 3
    assert all(box.x1 <= 7.0 for box in boxes)
    for line in {box.y0 for box in boxes}:
        row = sorted((b for b in boxes if b.y0 == line), key=lambda b: b.x0)
        assert all(a.x1 <= b.x0 + 1e-9 for a, b in pairwise(row))
    assert_nothing_is_clipped(figure)


def test_weights_have_no_sign_and_claim_no_support(model):
    figure = pellucid.token_attribution(model, PAIR, method="rollout").plot()
    assert "share of attention" in said(figure)
    assert "supports" not in said(figure)


def test_neurons_are_bars_with_what_they_raise():
    found = pellucid.neurons(tiny("rms"), PAIR, 0, top=4)
    lengths = bar_lengths(found.plot())
    assert sorted(lengths.values()) == sorted(found.share[found.top].tolist())
    first = int(found.top[0])
    assert any(name.startswith(f"{first}  raises {found.promotes[0][0]}") for name in lengths)
