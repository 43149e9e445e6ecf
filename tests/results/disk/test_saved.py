"""A saved result on the disk: told from what others wrote, and replaced beside what they put."""

import json
import os

import pytest

import pellucid
from pellucid import Result
from pellucid.errors import ResultFileError
from pellucid.results.disk.csv_table import csv_of
from pellucid.results.disk.out import demand_out, write_out
from pellucid.results.disk.saved import is_result
from tests.results.disk.writers import RESULT, demand_whole_after_kills


@pytest.fixture(scope="module")
def result(one_tiny, pair):
    return pellucid.attribute(one_tiny, pair)


def test_a_result_of_another_tool_of_the_same_name_is_not_touched(result, tmp_path):
    folder = tmp_path / "run7"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "result.json").write_text('{"accuracy": 0.91}')
    (folder / "checkpoints" / "model.pt").write_text("days of work")
    for call in (result.save, demand_out):
        with pytest.raises(ResultFileError, match="not a saved result"):
            call(folder)
    assert (folder / "checkpoints" / "model.pt").read_text() == "days of work"
    assert json.loads((folder / "result.json").read_text()) == {"accuracy": 0.91}


def test_a_killed_save_leaves_the_old_or_the_new_result_and_the_notes(result, tmp_path):
    target = result.save(tmp_path / "result")
    (target / "notes.md").write_text("mine")
    demand_whole_after_kills(RESULT, target, lambda: Result.load(target), count=10)
    result.save(target)
    assert (target / "notes.md").read_text() == "mine"
    assert len(os.listdir(target)) == 3
    assert os.listdir(tmp_path) == ["result"]


def test_notes_beside_a_result_stay_and_old_tensors_go(result, one_tiny, pair, tmp_path):
    folder = result.save(tmp_path / "ours")
    (folder / "notes.md").write_text("mine")
    (folder / "mine.safetensors").write_text("mine")
    other = pellucid.patch(one_tiny, pair)
    other.save(folder)
    assert Result.load(folder).to_json() == other.to_json()
    names = sorted(path.name.partition("-")[0] for path in folder.iterdir())
    assert names == ["mine.safetensors", "notes.md", "result.json", "tensors"]
    assert os.listdir(tmp_path) == ["ours"]


def test_what_an_early_version_saved_is_read_and_replaced(result, tmp_path):
    folder = result.save(tmp_path / "early")
    next(folder.glob("tensors-*")).rename(folder / "tensors.safetensors")
    assert Result.load(folder).to_json() == result.to_json()
    assert Result.load(folder / "result.json").to_json() == result.to_json()
    result.save(folder)
    assert sorted(path.name[:8] for path in folder.iterdir()) == ["result.j", "tensors-"]
    assert not (folder / "tensors.safetensors").exists()


def test_saving_onto_itself_from_inside(result, tmp_path, monkeypatch):
    result.save(tmp_path / "self")
    monkeypatch.chdir(tmp_path / "self")
    for path in ("../self", "."):
        result.save(path)
    assert Result.load(tmp_path / "self").to_json() == result.to_json()


@pytest.mark.parametrize(
    ("name", "content"),
    [("package.json", '{"name": "mine"}'), ("x.json", "[1]"), ("x.json", "not JSON"),
     ("asked.csv", "clean,corrupted,answer,foil\n1,2,3,4\n")],
)  # fmt: skip
def test_files_that_hold_something_else_are_refused(name, content, result, tmp_path):
    (tmp_path / name).write_text(content)
    for call in (demand_out, lambda path: write_out(result, path)):
        with pytest.raises(ResultFileError, match="not written by Pellucid"):
            call(tmp_path / name)
    assert (tmp_path / name).read_text() == content


def test_out_is_a_file_or_a_folder_by_its_ending_and_is_replaced(result, tmp_path):
    for name in ("one.json", "one.csv", "folder"):
        for _ in range(2):
            assert write_out(result, tmp_path / name) == tmp_path / name
    for name in ("one.json", "folder"):
        assert Result.load(tmp_path / name).to_json() == result.to_json()
    assert (tmp_path / "one.csv").read_text() == csv_of(result.to_frame())
    assert sorted(os.listdir(tmp_path)) == ["folder", "one.csv", "one.json"]
    assert is_result(result.to_json().encode())
