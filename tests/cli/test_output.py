"""What was computed is written before it is printed, and printed where it cannot be written."""

import os
import subprocess
import sys
from contextlib import suppress

import pytest

from pellucid import Attribution, analyze

CALL = "from pellucid.cli.main import main; main()"


@pytest.fixture(params=["/dev/full", "closed pipe", "none"])
def broken(request):
    """A stdout that cannot be written."""
    if request.param == "none":
        yield None
        return
    if request.param == "/dev/full":
        found = open(request.param, "w", buffering=1)  # noqa: SIM115
    else:
        read, write = os.pipe()
        os.close(read)
        found = os.fdopen(write, "w", buffering=1)
    yield found
    with suppress(OSError):
        found.close()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_results_and_figures_are_written_whatever_stdout_does(
    run, tmp_path, monkeypatch, broken, more
):
    out, plot = tmp_path / "one.json", tmp_path / "one.svg"
    monkeypatch.setattr(sys, "stdout", broken)
    code, _, err = run("attribute", "--out", str(out), "--plot", str(plot), *more)
    assert code == (0 if broken is None else 1)
    assert f"Written to {out}" in err
    Attribution.load(out)
    assert plot.read_text().endswith("</svg>\n")


def test_a_full_stdout_is_said_and_nothing_more(one_tiny, pair, tmp_path):
    analyze(one_tiny, pair, insist=True, random_sets=0).save(tmp_path / "saved")
    call = f"'{sys.executable}' -c '{CALL}' study saved --out one.json > /dev/full"
    done = subprocess.run(
        call, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Written to one.json",
        "CannotPrintError: No space left on device. What was written to files is named above.",
    ]
    assert sorted(os.listdir(tmp_path)) == ["one.json", "saved"]


def test_what_cannot_be_written_is_printed(run, tmp_path, monkeypatch):
    out = tmp_path / "one.json"
    monkeypatch.setattr("pellucid.results.disk.files.os.replace", no_space)
    code, printed, err = run("attribute", "--out", str(out))
    assert code == 1
    assert "rows. Cost:" in printed
    assert "ResultFileError: Cannot write" in err
    assert os.listdir(tmp_path) == []


def no_space(*arguments):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine.json", "not written by"),
        ("n" * 300 + ".json", "longer than"),
        ("n" * 300, "longer than"),
        ("nowhere/x.csv", "does not exist"),
        ("folder", "not a saved result"),
        ("folder.csv", "no ordinary file"),
        ("x.txt", "give a name ending in"),
        ("\ud800.json", "half a character"),
    ],
)
def test_places_are_looked_at_before_a_model_opens(run, tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.setattr("pellucid.cli.options.open_model", None)
    code, _, err = run("attribute", "--out", name)
    assert code == 2
    assert says in " ".join(err.replace("│", "").split())
