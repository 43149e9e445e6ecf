"""Three hundred kills of every writer.

Exported circuits, figures, reports and tables are written by the writer of files. The short forms
are in ``tests/results/disk``, ``tests/run/corpus``, ``tests/model/opening`` and ``tests/studies``.
"""

import os
import shutil

import pytest
import torch

import pellucid
from pellucid import Result, study
from pellucid.results.disk.files import write_file
from pellucid.results.disk.folders import replacing
from tests.model.opening.test_gguf import (
    demand_whole_after_killed_conversions,
    small_llama,
    write_gguf,
)
from tests.results.disk.writers import (
    FILE,
    FOLDER,
    GROWER,
    OURS,
    PAIR,
    RESULT,
    Nursery,
    contents,
    demand_whole_after_kills,
    fill,
    kills_until_done,
    whole_file,
)
from tests.run.corpus.test_activations import demand_the_same_after_killed_readings
from tests.studies.test_kept import OPTIONS, UNTIL_KILLED, questions

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


def test_parts_that_are_gone_on_with(tmp_path):
    target, kills = tmp_path / "parts", 0
    with Nursery(GROWER, target) as nursery:
        while kills < KILLS:
            kills += kills_until_done(nursery, target, 0.08)
            found = [(target / f"part-{n}").read_text() for n in range(12)]
            assert found == [str(n) for n in range(12)]
            assert os.listdir(tmp_path) == ["parts"]
            shutil.rmtree(target)


def test_corpora(tmp_path):
    demand_the_same_after_killed_readings(tmp_path, count=KILLS)


def test_conversions(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    written = write_gguf(tmp_path / "tiny.gguf", small_llama())
    cache = tmp_path / "cache" / "gguf"
    demand_whole_after_killed_conversions(written, cache, count=KILLS, seconds=0.3)


def test_studies(one_tiny, tmp_path):
    whole, target, kills = study(one_tiny, questions(), **OPTIONS), tmp_path / "study", 0
    with Nursery(UNTIL_KILLED, target) as nursery:
        while kills < KILLS:
            kills += kills_until_done(nursery, target, 0.3)
            found = pellucid.Study.load(target)
            for mine, theirs in zip(found.analyses, whole.analyses, strict=True):
                assert torch.equal(mine.attribution.estimate, theirs.attribution.estimate)
            assert os.listdir(tmp_path) == ["study"]
            shutil.rmtree(target)
