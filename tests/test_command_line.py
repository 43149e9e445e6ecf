"""The commands: exit codes, what goes where, and arguments checked before a model opens."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pellucid.cli import app

IOI = [
    "When Mary and John went to the store, John gave a drink to",
    "--answer", " Mary", "--foil", " John",
]  # fmt: skip


def pellucid(*arguments: str) -> subprocess.CompletedProcess:
    code = "from pellucid.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["analyze"], "prompt once"),
        (["analyze", "a b"], "--answer is missing"),
        (["analyze", "a b", "--answer", " x"], "--foil is missing"),
        (["analyze", "a b", "--answer", " x", "--foil", " x"], "are both"),
        (["analyze", " ", "--answer", " x", "--foil", " y"], "must not be empty"),
        (["analyze", "a", "--answer", "x", "--foil", "y", "--out", "no/such/f.json"], "the folder"),
        (["analyze", "a", "--answer", "x", "--foil", "y", "--method", "magic"], "magic"),
        (["attribute", "a", "--prompt", "b", "--answer", "x", "--foil", "y"], "prompt once"),
    ],
)
def test_bad_arguments_exit_with_2_before_a_model_opens(arguments, says, monkeypatch):
    monkeypatch.setattr("pellucid.cli.open_model", None)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_a_missing_model_is_one_message_and_exit_code_1(tmp_path):
    done = pellucid("attribute", *IOI, "--model", str(tmp_path / "nothing"), "--offline")
    assert done.returncode == 1
    assert "ModelNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_version_and_list():
    result = CliRunner().invoke(app, ["--version"])
    assert result.output.startswith("pellucid ")
    result = CliRunner().invoke(app, ["models", "list", "--json"])
    assert "smollm2-135m" in json.loads(result.stdout)


@pytest.mark.smol
def test_analyze_prints_data_on_stdout_and_progress_on_stderr(smol, tmp_path):
    out = tmp_path / "analysis.json"
    done = pellucid("analyze", *IOI, "--json", "--out", str(out), "--random-sets", "2")
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["type"] == "Analysis"
    assert json.loads(out.read_text()) == body
    assert "Written to" in done.stderr


@pytest.mark.smol
def test_glassbox_spelling_and_threshold(smol):
    prompt, answer, foil = IOI[0], IOI[2], IOI[4]
    done = pellucid(
        "analyze", "--prompt", prompt, "--correct", answer, "--incorrect", foil,
        "--fail-under", "0.999", "--target", "0.5",
    )  # fmt: skip
    assert done.returncode == 3
    assert "Below --fail-under" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.smol
def test_tables_can_be_written_as_csv(smol, tmp_path):
    import pandas as pd

    for command, column in (("attribute", "estimate"), ("patch", "effect")):
        path = tmp_path / f"{command}.csv"
        done = pellucid(command, *IOI, "--top", "3", "--out", str(path))
        assert done.returncode == 0, done.stderr
        assert "3 of " in done.stdout
        assert "Corrupted prompt" in done.stderr
        assert column in pd.read_csv(path).columns


@pytest.mark.smol
def test_plan_says_what_it_would_cost(smol):
    done = pellucid("analyze", *IOI, "--plan")
    assert done.returncode == 0, done.stderr
    assert "forwards at most" in done.stdout


@pytest.mark.smol
def test_models_describe_and_check(smol):
    described = json.loads(pellucid("models", "describe", "--json").stdout)
    assert described["layers"] == 30
    assert described["tokenizer"] == "adds no BOS"
    assert "stream_error" in pellucid("models", "check").stdout
    assert Path(described["name"]).name == "smollm2-135m"
