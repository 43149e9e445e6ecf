"""`pellucid report`: a saved result in, one file out."""

import json
import re
import unicodedata

import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from pellucid.cli.main import app
from pellucid.errors import MissingDependencyError, ResultFileError
from pellucid.report.pdf import pdf
from pellucid.results.checksum import signed
from pellucid.results.prose import plain
from pellucid.results.views import shown


@pytest.fixture(scope="module")
def folder(analysis, tmp_path_factory) -> str:
    return str(analysis.save(tmp_path_factory.mktemp("saved") / "analysis"))


@pytest.mark.parametrize(("name", "way"), [("r.html", "to_html"), ("r.md", "to_markdown")])
def test_the_file_is_what_the_result_says_itself(analysis, folder, tmp_path, name, way):
    out = tmp_path / name
    done = CliRunner().invoke(app, ["report", folder, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8") == getattr(analysis, way)()
    assert list(tmp_path.iterdir()) == [out]


def test_a_json_file_gives_the_report_that_the_folder_gives(analysis, folder, tmp_path):
    (tmp_path / "a.json").write_text(analysis.to_json(indent=1), encoding="utf-8")
    for place, name in ((folder, "one.html"), (str(tmp_path / "a.json"), "other.html")):
        done = CliRunner().invoke(app, ["report", place, "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()


def test_another_ending_is_a_usage_error(folder, tmp_path):
    done = CliRunner().invoke(app, ["report", folder, "--out", str(tmp_path / "r.doc")])
    assert done.exit_code == 2
    assert ".html, .md, .pdf" in " ".join(done.output.replace("│", " ").split())


@pytest.mark.browser
def test_a_pdf_is_the_page_on_paper(browser, analysis, folder, tmp_path):
    out = tmp_path / "r.pdf"
    done = CliRunner().invoke(app, ["report", folder, "--out", str(out)])
    assert done.exit_code == 0, done.output
    content = out.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 2
    a4 = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert [float(side) for side in a4.groups()] == pytest.approx([595, 842], abs=1)
    assert_told(analysis, PdfReader(out))


def assert_told(analysis, paper: PdfReader) -> None:
    """Every sentence of the report can be selected on paper, and on every page its number."""
    pages = [page.extract_text() for page in paper.pages]
    for number, text in enumerate(pages, start=1):
        assert f"page {number} of {len(pages)}" in text
    read = squeezed(" ".join(re.sub(r".*, page \d+ of \d+", "", text) for text in pages))
    for part in shown(analysis, "story"):
        assert squeezed(part.title).lower() in read.lower()
        for sentence in part.sentences:
            assert squeezed(plain(sentence)) in read, plain(sentence)


def squeezed(text: str) -> str:
    """Without white space, which lines of paper break differently, and without ligatures."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


@pytest.mark.browser
def test_a_browser_that_does_not_start_is_named(browser, analysis, tmp_path, monkeypatch):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=f"{broken}.*apt-get install chromium"):
        pdf(analysis)


def test_without_playwright_a_pdf_says_what_to_install(analysis, monkeypatch):
    monkeypatch.setattr("pellucid.report.pdf.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'pellucid\[pdf\]'"):
        pdf(analysis)


def test_a_folder_that_holds_no_result_is_named(tmp_path):
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "r.md")])
    assert isinstance(done.exception, ResultFileError)
    assert str(tmp_path) in str(done.exception)


def test_a_kind_from_the_future_is_refused(tmp_path):
    file = tmp_path / "r.json"
    body = signed({"schema": 2, "type": "Prophecy", "fields": {}})
    file.write_text(json.dumps(body))
    done = CliRunner().invoke(app, ["report", str(file), "--out", str(tmp_path / "r.md")])
    assert isinstance(done.exception, ResultFileError)
    assert "Prophecy" in str(done.exception)


@pytest.mark.parametrize("command", ["attribute", "patch"])
def test_out_writes_a_report_by_its_ending(command, run, tmp_path):
    for ending, begins in ((".html", "<!doctype html>"), (".md", "# Pellucid: ")):
        place = tmp_path / f"r{ending}"
        code, _, err = run(command, "--out", str(place))
        assert code == 0, err
        assert place.read_text(encoding="utf-8").startswith(begins)
