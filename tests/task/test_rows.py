"""Prompts from tables in memory and from other tools' columns."""

import os
from pathlib import Path

import pandas as pd
import pytest

from pellucid import Contrast, ContrastBatch, TaskError, read_prompts
from tests.models.tokenizers import byte_level

CLEAN, CORRUPTED = "The capital of France is", "The capital of Italy is"
ROW = {"clean": CLEAN, "corrupted": CORRUPTED, "answer": " Paris", "foil": " Rome"}
CAPITAL = Contrast(CLEAN, CORRUPTED, " Paris", " Rome")
MIB = {
    "prompt": "Mary and John talked. John gave a book to",
    "template": "{} and {} talked.",
    "metadata": {"object": "book", "random": 3},
    "choices": ["Mary", "John"],
    "answerKey": 0,
    "same_counterfactual": {"prompt": "x", "choices": ["Mary", "John"], "answerKey": 0},
    "s1_io_flip_counterfactual": {
        "prompt": "Mary and John talked. Mary gave a book to",
        "choices": ["Mary", "John"],
        "answerKey": 1,
    },
}
EAP_IG = {
    "clean": "Then, Aaron and Amber were at the house. Aaron decided to give a drink to",
    "corrupted": "Then, Aaron and Amber were at the house. Tyler decided to give a drink to",
    "correct_idx": 47764,
    "incorrect_idx": 26757,
}


class Dataset:
    """Rows one after the other, as ``datasets.Dataset`` gives them."""

    def __iter__(self):
        yield ROW
        yield ROW | {"foil": " London"}


def test_rows_come_from_tables_lists_and_whatever_gives_rows():
    assert read_prompts([ROW]) == ContrastBatch((CAPITAL,))
    assert read_prompts(pd.DataFrame([ROW, ROW | {"group": "a"}]))[0] == CAPITAL
    assert [one.foil for one in read_prompts(Dataset())] == [" Rome", " London"]
    named = {"prompt" if name == "clean" else name: value for name, value in ROW.items()}
    assert read_prompts([named]).contrasts == (CAPITAL,)


def test_group_and_fillers_are_read(tmp_path):
    row = ROW | {"group": "is", "filler_country": "France", "filler_city": ""}
    (one,) = read_prompts([row])
    assert (one.group, one.fillers) == ("is", (("country", "France"),))
    pd.DataFrame([row]).to_csv(tmp_path / "one.csv", index=False)
    assert read_prompts(tmp_path / "one.csv").contrasts == (one,)
    assert read_prompts([ROW | {"fillers": {"country": "France"}}])[0].fillers == one.fillers
    with pytest.raises(TaskError, match="row 0: fillers is 'France'"):
        read_prompts([ROW | {"fillers": "France"}])


def test_rows_that_cannot_be_used_are_listed_or_left_out():
    rows = [ROW, ROW | {"foil": None}, ROW | {"foil": " Paris"}, ROW | {"answer": float("nan")}]
    with pytest.raises(TaskError, match="3 of 4 rows cannot be used:\nrow 1: foil missing"):
        read_prompts(rows)
    batch = read_prompts(rows, on_error="skip")
    assert batch.contrasts == (CAPITAL,)
    assert [told[:5] for told in batch.left_out] == ["row 1", "row 2", "row 3"]
    assert batch.notes(None)[0].startswith("Of 4 rows 3 cannot be used and were")
    with pytest.raises(TaskError, match="row 0: foil missing"):
        read_prompts(rows[1:2], on_error="skip")
    with pytest.raises(TaskError, match="There are no rows"):
        read_prompts([])
    with pytest.raises(TaskError, match="on_error='drop' is not known"):
        read_prompts([ROW], on_error="drop")


def test_rows_that_do_not_align_are_rows_that_cannot_be_used():
    rows = [ROW | {"corrupted": CLEAN + " not"}, {**ROW, "clean": "a b", "corrupted": "a c"}]
    assert len(read_prompts(rows)) == 2
    with pytest.raises(TaskError, match=r"row 0: The clean prompt is .* tokens and the corrupted"):
        read_prompts(rows, tokenizer=byte_level())
    assert len(read_prompts(rows, tokenizer=byte_level(), on_error="skip")) == 1


def test_mib_rows_take_the_counterfactual_with_another_answer():
    (one,) = read_prompts([MIB])
    assert (one.answer, one.foil) == (" Mary", " John")
    assert one.corrupted == MIB["s1_io_flip_counterfactual"]["prompt"]
    assert (one.group, one.fillers) == (MIB["template"], (("object", "book"),))
    alone = {name: MIB[name] for name in MIB if not name.startswith("s1")}
    with pytest.raises(TaskError, match="without a counterfactual whose answer"):
        read_prompts([alone])
    with pytest.raises(TaskError, match="answerKey=7 is no place in"):
        read_prompts([MIB | {"answerKey": 7}])


def test_tokens_of_another_tokenizer_are_read_off_the_prompts_and_that_is_said():
    batch = read_prompts([EAP_IG])
    assert (batch[0].answer, batch[0].foil) == (" Amber", " Aaron")
    assert batch.notes(None)[0].startswith("correct_idx and incorrect_idx are")
    with pytest.raises(TaskError, match="Add the columns answer and foil"):
        read_prompts([EAP_IG | {"clean": CLEAN, "corrupted": CORRUPTED}])


def test_published_prompts_are_read():
    data = Path(os.environ.get("PELLUCID_SHARED", Path(__file__).parents[3] / "shared")) / "data"
    path = data / "prompts" / "eap_ig" / "ioi_llama.csv"
    if not path.exists():
        pytest.skip("the published prompts are not here")
    batch = read_prompts(path, on_error="skip")
    table = pd.read_csv(path)
    assert len(batch) >= 0.95 * len(table)
    for one in batch.contrasts[:50]:
        assert one.clean.count(one.foil) == 2
        assert one.clean.count(one.answer) == 1
