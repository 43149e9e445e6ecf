"""`pellucid zoo`: names, certificates, scores; files written and exit codes."""

import json
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
from typer.testing import CliRunner

import pellucid.zoo
from pellucid import Contrast
from pellucid.cli.main import app
from pellucid.errors import EditError
from pellucid.zoo import names, real
from tests.models.ioi_prompts import CORRUPTED, PROMPT
from tests.zoo.specimens import certified

RUN = ["zoo", "run", "--method", "eap", "--method", "exact", "--models", "and/both@gpt"]


def called(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_list_names_every_model_with_what_it_does():
    done = called("zoo", "list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == names()
    assert "Two heads are needed together." in done.stdout


def test_list_takes_several_patterns():
    done = called("zoo", "list", "--models", "and/*@gpt", "--models", "*@soft", "--json")
    listed = json.loads(done.stdout)
    assert "and/both@gpt" in listed
    assert all(name == "and/both@gpt" or name.endswith("@soft") for name in listed)


def test_certify_says_what_matters():
    done = called("zoo", "certify", "--models", "negative/token@gpt")
    assert done.exit_code == 0
    assert "as stated. 4 of 17 edges matter, 4 necessary" in done.stdout
    assert "2 against the answer" in done.stdout


def test_a_model_that_is_not_what_it_is_said_to_be_exits_with_4(monkeypatch):
    wrong = replace(certified("negative/token@gpt"), wrong=("signs",))
    monkeypatch.setattr(pellucid.zoo, "certify", lambda specimen: wrong)
    done = called("zoo", "certify", "--models", "negative/token@gpt")
    assert done.exit_code == 4
    assert "OTHERWISE THAN STATED: signs" in done.stdout


def test_run_prints_one_row_a_method_and_writes_what_is_asked(tmp_path):
    out, written = tmp_path / "scores.csv", tmp_path / "zoo.md"
    done = called(*RUN, "--null-tests", "1", "--out", str(out), "--write", str(written))
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()[1:3]] == ["eap", "exact"]
    assert list(pd.read_csv(out).method) == ["eap", "exact"]
    assert "## eap" in written.read_text()


def test_run_gives_json_on_stdout():
    body = json.loads(called(*RUN, "--null-tests", "0", "--json").stdout)
    assert body["type"] == "ZooResult"
    assert len(body["fields"]["scores"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [["--models", "nothing"], ["--method", "guess"]],
)
def test_what_is_not_there_is_refused_before_anything_runs(arguments):
    done = called("zoo", "run", *arguments)
    assert isinstance(done.exception, EditError)


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path):
    assert called(*RUN, "--write", str(tmp_path / "no" / "zoo.md")).exit_code == 2
    assert called(*RUN, "--write", str(tmp_path)).exit_code == 2


@pytest.mark.parametrize(
    ("options", "told"), [(["--method", "eap"], "choose from atp"), (["--models", "*"], "leave")]
)
def test_a_real_model_takes_methods_for_nodes_and_no_models_of_the_zoo(options, told):
    done = called("zoo", "run", "--real", *options)
    assert done.exit_code == 2
    assert told in done.output


def test_estimates_on_a_real_model_are_scored_by_method(random_gpt2, tmp_path, monkeypatch):
    asked = {"held out": {"giving": [Contrast(PROMPT, CORRUPTED, " Mary", " John")]}}
    few = partial(real.run_real, questions=asked, cache=tmp_path / "effects")
    monkeypatch.setattr(real, "run_real", few)
    done = called("zoo", "run", "--real", "--model", str(random_gpt2), "--method", "atp")
    assert done.exit_code == 0, done.output
    words = done.stdout.splitlines()[1].split()
    assert words[:2] == ["held", "out"]
    assert words[2:4] == ["atp", "2.000"]
