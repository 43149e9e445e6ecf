"""Three hundred kills of every writer.

The short forms are in ``tests/results/disk``, ``tests/run/corpus`` and ``tests/model/opening``.
"""

import os

import pytest

import pellucid
from pellucid import Result
from pellucid.results.disk.files import write_file
from pellucid.results.disk.folders import replacing
from tests.results.disk.writers import (
    FILE,
    FOLDER,
    OURS,
    PAIR,
    RESULT,
    contents,
    demand_whole_after_kills,
    fill,
    whole_file,
)

pytestmark = pytest.mark.soak
KILLS = 300


@pytest.mark.parametrize("how", [(), ("plain",)])
def test_folders(tmp_path, how):
    target = tmp_path / "pair"
    with replacing(target, PAIR) as draft:
        fill(draft, "first")
    demand_whole_after_kills(FOLDER, target, lambda: contents(target), *how, count=KILLS)
    with replacing(target, PAIR) as draft:
        fill(draft, "last")
    assert sorted(os.listdir(target)) == ["data-last", "index"]
    assert os.listdir(tmp_path) == ["pair"]


def test_files(tmp_path):
    target = tmp_path / "file"
    write_file(target, OURS + "7" * 100_000)
    demand_whole_after_kills(FILE, target, lambda: whole_file(target), count=KILLS)
    write_file(target, "last")
    assert os.listdir(tmp_path) == ["file"]


def test_saved_results(one_tiny, pair, tmp_path):
    found = pellucid.attribute(one_tiny, pair)
    target = found.save(tmp_path / "result")
    (target / "notes.md").write_text("mine")
    demand_whole_after_kills(RESULT, target, lambda: Result.load(target), count=KILLS)
    found.save(target)
    assert (target / "notes.md").read_text() == "mine"
    assert len(os.listdir(target)) == 3
    assert os.listdir(tmp_path) == ["result"]
