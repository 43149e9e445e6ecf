"""`pellucid report`: a saved folder in, one file out."""

import pytest
from typer.testing import CliRunner

from pellucid.cli import app
from pellucid.errors import ResultFileError


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


def test_another_ending_is_a_usage_error(folder, tmp_path):
    done = CliRunner().invoke(app, ["report", folder, "--out", str(tmp_path / "r.pdf")])
    assert done.exit_code == 2
    assert "print the .html file" in " ".join(done.output.replace("│", " ").split())


def test_a_folder_that_holds_no_result_is_named(tmp_path):
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "r.md")])
    assert isinstance(done.exception, ResultFileError)
    assert str(tmp_path) in str(done.exception)


def test_a_kind_from_the_future_is_refused(tmp_path):
    (tmp_path / "result.json").write_text('{"schema": 1, "type": "Prophecy", "fields": {}}')
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "r.md")])
    assert isinstance(done.exception, ResultFileError)
    assert "Prophecy" in str(done.exception)
