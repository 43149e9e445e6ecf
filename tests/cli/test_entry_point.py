"""What only another process shows: the entry point, two streams, exit codes."""

import json
import subprocess
import sys
from importlib import metadata

import pytest

from pellucid.cli.main import main

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"
IOI = [PROMPT, "--corrupted", CORRUPTED, "--answer", " Mary", "--foil", " John", "--offline"]


def pellucid_in_a_process(*arguments: str) -> subprocess.CompletedProcess:
    code = "from pellucid.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_the_installed_command_is_this_one():
    (command,) = metadata.entry_points(group="console_scripts", name="pellucid")
    assert command.load() is main


def test_data_goes_to_stdout_and_progress_to_stderr(random_gpt2, tmp_path):
    out = tmp_path / "analysis.json"
    done = pellucid_in_a_process(
        "analyze", *IOI, "--model", str(random_gpt2), "--json", "--out", str(out),
        "--fail-under", "0.999",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    body = json.loads(done.stdout)
    assert body["type"] == "Analysis"
    assert json.loads(out.read_text()) == body
    assert "Written to" in done.stderr
    assert "Below --fail-under" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["attribute", *IOI, "--model", "./no/such/model"], 1, "ModelNotFoundError"),
        (["attribute", "--prompts", "nowhere.csv"], 2, "TaskError: There is no file nowhere.csv"),
    ],
)
def test_an_error_is_one_message_and_an_exit_code(arguments, code, says):
    done = pellucid_in_a_process(*arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
