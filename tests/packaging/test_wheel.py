"""The wheel, built from the source archive and unpacked elsewhere, does the main job."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import pellucid
from tests.docs.pages import ROOT

QUESTION = ["The capital of France is", "--answer", " Paris", "--foil", " Rome"]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the source archive and the wheel that was made of it."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory) -> Path:
    """What ``pip install --no-deps`` puts into site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    (wheel,) = built.glob("*.whl")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", folder, wheel], check=True, capture_output=True)
    return folder


def test_the_wheel_holds_what_is_read_beside_the_code(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    package = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.*")}
    expected = {name for name in package if "__pycache__" not in name}
    assert expected <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if not name.startswith("pellucid")]


def test_the_source_archive_holds_sources_only(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = [name.partition("/")[2] for name in opened.getnames()]
    assert {"README.md", "CITATION.cff", "constraints.txt", "web/package-lock.json"} <= set(names)
    assert not [name for name in names if re.search(r"node_modules|\.venv|__pycache__", name)]


@pytest.mark.smol
def test_the_wheel_runs_outside_the_checkout(unpacked, tmp_path, smol):
    environment = os.environ | {"PYTHONPATH": str(unpacked), "HF_HUB_OFFLINE": "1"}
    where = [sys.executable, "-c", "import pellucid; print(pellucid.__file__)"]
    asked = [sys.executable, "-m", "pellucid", "analyze", *QUESTION, "--out", "found.json"]
    say = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    assert subprocess.run(where, **say).stdout.strip().startswith(str(unpacked))
    told = subprocess.run(asked, **say)
    assert told.returncode == 0, told.stderr
    assert "Measured with heads replaced" in told.stdout
    assert (tmp_path / "found.json").stat().st_size > 1000


def test_the_citation_names_the_version_that_is_built():
    said = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert said[1] == pellucid.__version__
