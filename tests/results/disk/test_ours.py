"""Everything that Pellucid writes is told from what others write."""

import io
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import pellucid
from pellucid import Result
from pellucid.cli.commands.report import WAYS
from pellucid.errors import FigureError, ResultFileError
from pellucid.figures.save import save
from pellucid.results.disk.csv_table import csv_of
from pellucid.results.disk.ours import is_our_file, is_ours
from pellucid.zoo import page
from tests.models.every_call import CALLS, QUESTION, dictionary_of, tiny_llama


@pytest.fixture(scope="module")
def model():
    return pellucid.load(tiny_llama())


@pytest.fixture(scope="module")
def results(model):
    made = (call(model) for name, call in CALLS.items() if name != "load")
    return [*(one for one in made if isinstance(one, Result)), dictionary_of(model)]


def test_every_result_and_every_table_is(results, tmp_path):
    assert len(results) > 15
    for found in results:
        assert is_ours(found.to_json().encode())
        if hasattr(found, "to_frame"):
            assert is_ours(csv_of(found.to_frame()).encode()), type(found)


@pytest.mark.parametrize("ending", WAYS)
def test_every_report_is(results, ending):
    if ending == ".pdf":
        pytest.importorskip("playwright")
    assert is_ours(WAYS[ending](results[0]))


def test_the_page_of_the_zoo_and_its_tables_are():
    found = pellucid.zoo.run(["eap"], models="and/both@gpt", null_tests=0)
    assert is_ours(page(found).encode())
    assert is_ours(csv_of(found.to_frame()).encode())


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_figures_are_and_pictures_of_others_stay(model, ending, tmp_path):
    figure = pellucid.patch(model, QUESTION).plot()
    for _ in range(2):
        save(figure, tmp_path / f"ours{ending}")
    mine = tmp_path / f"mine{ending}"
    axes = plt.figure().subplots()
    axes.plot([1, 2])
    axes.figure.savefig(mine)
    plt.close(axes.figure)
    before = mine.read_bytes()
    with pytest.raises(FigureError, match="was not written by Pellucid"):
        save(figure, mine)
    assert mine.read_bytes() == before


@pytest.mark.parametrize("name", ["one.json", "flat.json", "one.graphml", "one.dot"])
def test_circuits_for_other_tools_are(model, name, tmp_path):
    found = pellucid.discover_edges(model, QUESTION, method="top", size=5, insist=True)
    kinds = {"one.json": "eap-ig", "flat.json": "eap-ig-flat"}
    more = {"format": kinds[name]} if name in kinds else {}
    for _ in range(2):
        found.export(tmp_path / name, **more)
    (tmp_path / name).write_text('{"cfg": {}, "nodes": {}, "edges": {}}')
    with pytest.raises(ResultFileError, match="was not written by Pellucid"):
        found.export(tmp_path / name, **more)


def archive():
    file = io.BytesIO()
    np.savez(file, np.arange(3))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"{}", b"[1]", b"not JSON", b'{"name": "mine"}', b"clean,corrupted,answer,foil\n1,2,3,4\n",
     b"node,layer\nL0H1,0\n", b"size,effect,mine\n1,2,3\n",
     b"size,effect\n1,2\n", b'"size","effect"\n1,2\n', b'size,"effect\n1"\n',
     b'mine,"effect"\n1,2\n',
     b"# Pellucid: my notes\n",
     b"\xff\xfe\0", b"<html><title>Pellucid</title></html>",
     b"%PDF-1.4\n/Title (Thesis)", b"# Notes\nIt says: Written by Pellucid, unseen.\n",
     b'{"note": "written by `pellucid`"}', archive()],
)  # fmt: skip
def test_what_others_wrote_is_not(content):
    assert not is_ours(content)


def test_a_result_of_another_version_or_kind_is_one(results):
    body = replace(results[0], provenance=None).to_json()
    for other in ('"schema": 99', '"schema": 1'):
        assert is_ours(body.replace('"schema": 2', other).encode())


def test_of_a_large_file_no_more_is_read_than_says_so(results, tmp_path, monkeypatch):
    filler = b"x" * (6 << 20)
    mark = b"<!-- Written by Pellucid -->"
    large = {
        b"<html>" + filler: False,
        mark + filler: True,
        filler + mark: True,
        b'{"schema": 1, "type": "mine", "text": "' + filler + b'"}': False,
        results[0].to_json().encode() + b" " * len(filler): True,
    }
    for content, ours in large.items():
        (tmp_path / "large").write_bytes(content)
        assert is_our_file(tmp_path / "large") is ours
    whole = []
    monkeypatch.setattr("pellucid.results.disk.ours.is_ours", whole.append)
    with (tmp_path / "endless").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of holes
    assert not is_our_file(tmp_path / "endless")
    assert not whole
