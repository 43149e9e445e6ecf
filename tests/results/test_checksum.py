"""What was changed after it was written does not load as measured."""

import json
from dataclasses import replace

import pytest
import torch

import pellucid
from pellucid import Attribution, Result
from pellucid.errors import ResultFileError
from pellucid.results.checksum import checksum_of, read_json, signed
from tests.results.edits import demand_edits_are_seen


@pytest.fixture(scope="module")
def results(one_tiny, pair):
    return [
        pellucid.attribute(one_tiny, pair),
        pellucid.faithfulness(one_tiny, pair, ["L0H1"]),
        pellucid.discover_edges(one_tiny, pair, method="top", size=5, insist=True),
        pellucid.analyze(one_tiny, pair, insist=True, random_sets=2),
    ]


def test_a_hundred_edits_are_seen(results, tmp_path):
    demand_edits_are_seen(results, tmp_path, count=100)


@pytest.mark.parametrize("schema", [0, 1, -1, "2", 2.0, True, None])
def test_another_schema_is_refused(results, schema):
    body = {**json.loads(results[0].to_json()), "schema": schema}
    with pytest.raises(ResultFileError, match="was written with schema"):
        Result.from_json(json.dumps(body))


def test_an_early_file_is_read_and_marked_as_one_that_could_not_be_checked(results, tmp_path):
    body = json.loads(results[0].to_json())
    early = {"schema": 1, "type": body["type"], "fields": body["fields"]}
    with pytest.warns(UserWarning, match="This JSON: Read from a file of an early version"):
        found = Result.from_json(json.dumps(early))
    assert "without a checksum" in found.provenance.note
    assert results[0].provenance.note == ""
    again = Attribution.load(found.save(tmp_path / "again"))
    assert again.provenance.note == found.provenance.note


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 1}', "'a' stands twice"),
        ('{"b": [{"a": 1, "a": 2}]}', "'a' stands twice"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
    ],
)
def test_what_json_leaves_open_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        read_json(text)


def test_the_checksum_is_of_what_is_said_and_not_of_how():
    body = {"a": [1, 1.0, -0.0, "\ud800é\u2028"], "b": {"c": None, "d": True}}
    again = json.loads(json.dumps(dict(reversed(body.items())), indent=3))
    assert checksum_of(again) == checksum_of(body) == signed(body)["checksum"]
    others = ([1.0, 1.0, -0.0], [1, 1.0, 0.0], [1, 1, -0.0], [True, 1.0, -0.0])
    found = {checksum_of({"a": one}) for one in ([1, 1.0, -0.0], *others)}
    assert len(found) == 5
    with pytest.raises(ValueError, match="Out of range float"):
        checksum_of({"a": float("nan")})


def test_tensors_of_another_result_are_refused(results, tmp_path):
    own = results[0].save(tmp_path / "own")
    other = replace(results[0], by_position=results[0].by_position * 2).save(tmp_path / "other")
    text = (own / "result.json").read_text()
    beside, foreign = (next(one.glob("tensors-*")).read_bytes() for one in (own, other))
    for tensors, says in (
        (foreign, "not those that were written with it"),
        (b"", "tensors beside it are missing"),
    ):
        with pytest.raises(ResultFileError, match=says):
            Result.from_json(text, tensors=tensors)
    assert torch.equal(
        Result.from_json(text, tensors=beside).by_position,
        results[0].by_position,
    )
