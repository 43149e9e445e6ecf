"""Estimates held against exact effects: figures by hand, effects kept, and the questions asked."""

import pandas as pd
import pytest

from pellucid import Contrast, EditError, attribute, patch
from pellucid.zoo import RealResult, run_real
from pellucid.zoo import real as judged
from pellucid.zoo.real_questions import HALVES

PAIRS = (
    Contrast([3, 7, 11, 2, 9, 4], [3, 7, 5, 2, 9, 4], 6, 8),
    Contrast([1, 7, 2, 2], [1, 8, 2, 2], 3, 9),
)
QUESTIONS = {"chosen on": {"one": PAIRS[:1]}, "held out": {"other": PAIRS[1:]}}


@pytest.fixture
def found(one_tiny, tmp_path) -> RealResult:
    return run_real(one_tiny, ["atp", "ig-5"], questions=QUESTIONS, cache=tmp_path / "effects")


def test_figures_are_those_computed_from_both_tables(found, one_tiny):
    for pair, score in zip(PAIRS, found.scores[::2], strict=True):
        table = attribute(one_tiny, pair, method="atp").to_frame().set_index("node")[["estimate"]]
        measured = patch(one_tiny, pair, sites="nodes")
        table["effect"] = measured.to_frame().set_index("node")["effect"]
        assert score.spearman == pytest.approx(table.corr(method="spearman").iloc[0, 1])
        assert score.pearson == pytest.approx(table.corr().iloc[0, 1])
        whole = abs(float(measured.metric_clean - measured.metric_corrupted))
        large = table[table.effect.abs() > 0.1 * whole]
        assert (score.large, score.wrong_sign) == (len(large), int((large.prod(axis=1) < 0).sum()))
        assert score.missed == int((large.estimate / large.effect < 0.25).sum())
        first, best = (set(table[name].abs().nlargest(10).index) for name in table.columns)
        assert score.top == len(first & best) / 10
        assert (score.forwards, score.backwards) == (2, 1)


def test_effects_are_measured_once(found, one_tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(judged, "patch", None)
    again = run_real(one_tiny, ["atp", "ig-5"], questions=QUESTIONS, cache=tmp_path / "effects")
    assert again.scores == found.scores
    assert again.passes.forwards == 2 * (2 + 2 + 5)


def test_halves_have_rows_of_their_own_and_the_dominated_are_told(found):
    rows = pd.DataFrame(
        {
            "half": ["a", "a", "a", "b"],
            "forwards": [2, 3, 7, 7],
            "backwards": [1, 2, 6, 6],
            "spearman": [0.9, 0.8, 0.95, 0.1],
            "pearson": [0.7, 0.6, 0.6, 0.1],
        }
    )
    assert [judged._surpassed(rows, i) for i in rows.index] == [False, True, False, False]
    table = found.summary()
    assert list(zip(table.half, table.method, strict=True)) == [
        ("chosen on", "atp"), ("chosen on", "ig-5"), ("held out", "atp"), ("held out", "ig-5"),
    ]  # fmt: skip
    assert RealResult.from_json(found.to_json()).summary().equals(table)


def test_methods_are_refused_by_name(one_tiny, tmp_path):
    with pytest.raises(EditError, match="choose from atp-mask"):
        run_real(one_tiny, ["magic"], questions=QUESTIONS, cache=tmp_path)


def test_no_kind_of_question_is_in_both_halves():
    chosen, held = (set(kinds) for kinds in HALVES.values())
    assert not chosen & held
    assert len(chosen) == len(held) == 6
    assert all(len(asked) == 2 for kinds in HALVES.values() for asked in kinds.values())
