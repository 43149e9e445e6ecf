"""Answers and foils of different length in tokens: said, normalised, and no token too many."""

import pytest
import torch

import pellucid
from pellucid.task.contrast import Contrast, ContrastBatch
from pellucid.task.metrics import logit_diff, logit_diff_per_token
from tests.models.questions import VARIETIES, tiny_model
from tests.models.tokenizers import byte_level

UNEQUAL = Contrast([1, 2, 3], [1, 4, 3], 5, [6, 8, 9])
EQUAL = Contrast([1, 2, 3], [1, 4, 3], 5, 6)


def test_lengths_are_noted_with_what_to_do():
    (note,) = UNEQUAL.notes(None)
    assert "is 1 token" in note
    assert "3 tokens (" in note
    assert "the foil is less likely for its length alone" in note
    assert "logit_diff_per_token" in note
    assert EQUAL.notes(None) == []
    (both,) = ContrastBatch((UNEQUAL, EQUAL, Contrast([1, 2], [1, 3], [5, 7], 6))).notes(None)
    assert both.startswith("In 2 of 3 contrasts")


def test_a_word_in_pieces_is_noted():
    (note,) = Contrast("a store, John", "a store, Mary", " Mary", " Denied").notes(byte_level())
    assert "' Denied'" in note


def test_per_token_is_the_difference_of_means():
    encoded = ContrastBatch((UNEQUAL, EQUAL)).encode(None)
    logits = torch.randn(*encoded.reads.shape, 12, generator=torch.Generator().manual_seed(0))
    p = logits.log_softmax(-1)
    answer = p[0, 0, 5]
    foil = (p[1, 0, 6] + p[1, 1, 8] + p[1, 2, 9]) / 3
    found = logit_diff_per_token(logits, encoded)
    assert found[0] == pytest.approx(float(answer - foil), abs=1e-6)
    assert found[1] == pytest.approx(float(logit_diff(logits, encoded)[1]), abs=1e-6)


def test_an_analysis_shows_prompts_without_what_follows_them_and_both_probabilities():
    model = tiny_model(VARIETIES["rms"])
    found = pellucid.analyze(model, UNEQUAL, insist=True, budget=60, random_sets=0)
    assert found.question.clean_tokens == (("1", "2", "3"),)
    assert found.question.corrupted_tokens == (("1", "4", "3"),)
    assert (found.question.answer_lengths, found.question.foil_lengths) == ((1,), (3,))
    with torch.no_grad():
        p = model.module(torch.tensor([[1, 2, 3, 6, 8]])).logits.softmax(-1)[0]
    assert found.answer_probability == pytest.approx(float(p[2, 5]))
    assert found.foil_probability == pytest.approx(float(p[2, 6] * p[3, 8] * p[4, 9]))
    assert "Probability of the whole answer" in str(found)
    assert any("less likely for its length alone" in caveat for caveat in found.caveats)
    tokens = pellucid.token_attribution(model, UNEQUAL, method="ig")
    assert list(tokens.to_frame().token) == ["1", "2", "3"]
