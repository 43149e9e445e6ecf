"""The commands on a small local model: formats, places, costs and errors, all in one process."""

import json
import sys

import pandas as pd
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import pellucid.cli
from pellucid import Analysis, Attribution, PatchEffects
from task_tokenizers import byte_level

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A saved GPT-2 with random weights, and which of the two names it happens to prefer."""
    tokenizer = byte_level()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"vocab_size": len(tokenizer), "n_positions": 32, "n_embd": 32, "n_layer": 3}
        config = GPT2Config(**sizes, n_head=4, bos_token_id=0, eos_token_id=0)
        model = GPT2LMHeadModel(config)
    place = tmp_path_factory.mktemp("model") / "random-gpt2"
    model.save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Run the command line as a shell would; returns exit code, stdout and stderr."""

    def run(*arguments, question=True, model=folder):
        asked = [PROMPT, "--answer", " Mary", "--foil", " John"] if question else []
        asked += ["--corrupted", CORRUPTED] if question else []
        words = ["pellucid", *arguments, *asked, "--model", str(model), "--offline"]
        monkeypatch.setattr(sys, "argv", words)
        try:
            pellucid.cli.main()
            code = 0
        except SystemExit as left:
            code = left.code or 0
        return code, *capsys.readouterr()

    return run


def test_text_is_at_most_eighty_columns_and_alone_on_stdout(run):
    for command in (["analyze"], ["attribute"], ["patch"], ["patch", "--sites", "mlps"]):
        code, out, err = run(*command)
        assert code == 0, err
        assert max(map(len, out.splitlines())) <= 80
        assert "Opening" not in out
        assert "Traceback" not in err


def test_an_analysis_of_random_weights_claims_no_circuit(run):
    code, out, _ = run("analyze")
    assert code == 0
    assert "No circuit is claimed" in out


@pytest.mark.parametrize("command", ["analyze", "attribute", "patch"])
def test_json_on_stdout_is_one_document(command, run):
    code, out, _ = run(command, "--json")
    assert code == 0
    body = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert body["schema"] == 1


@pytest.mark.parametrize(
    ("command", "kind"),
    [("analyze", Analysis), ("attribute", Attribution), ("patch", PatchEffects)],
)
def test_out_writes_json_a_table_or_a_folder(command, kind, run, tmp_path):
    for name in ("r.json", "r.csv", "r"):
        code, _, err = run(command, "--out", str(tmp_path / name))
        assert code == 0, err
        assert f"Written to {tmp_path / name}" in err
    assert json.loads((tmp_path / "r.json").read_text())["type"] == kind.__name__
    table = pd.read_csv(tmp_path / "r.csv")
    assert list(table.columns[:6]) == ["node", "kind", "layer", "head", "position", "example"]
    assert "L0H0" in set(table["node"])
    assert isinstance(kind.load(tmp_path / "r"), kind)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r", "r.csv", "r.json"]


def test_each_position_gives_a_row_for_each(run, tmp_path):
    code, _, err = run(
        "patch", "--sites", "resid", "--each-position", "--out", str(tmp_path / "p.csv")
    )
    assert code == 0, err
    table = pd.read_csv(tmp_path / "p.csv")
    assert set(table["layer"]) == {0, 1, 2}
    assert table.groupby("layer")["position"].apply(list).map(lambda p: p == list(range(14))).all()


def test_the_direction_is_passed_on(run):
    found = {
        direction: json.loads(run("patch", "--direction", direction, "--json")[1])["fields"]
        for direction in ("noising", "denoising")
    }
    assert found["denoising"]["direction"] == "denoising"
    assert found["denoising"]["per_example"] != found["noising"]["per_example"]


def test_a_threshold_that_is_missed_exits_with_3_and_still_prints(run):
    code, out, err = run("analyze", "--fail-under", "0.5")
    assert code == 3
    assert "no circuit" in err
    assert "Cost:" in out


def test_the_plan_runs_no_analysis(run, monkeypatch):
    monkeypatch.setattr("pellucid.analysis.analyze.analyze", None)
    code, out, err = run("analyze", "--plan")
    assert code == 0, err
    assert "forwards at most" in out


def test_a_question_that_the_tokenizer_refuses_exits_with_2(run):
    words = ["--prompt", PROMPT, "--correct", " Mary", "--incorrect", " John"]
    code, out, err = run("attribute", *words, "--corrupted", "Mary went", question=False)
    assert code == 2
    assert out == ""
    assert "AlignmentError: The clean prompt is 14 tokens" in err


def test_a_prompt_longer_than_the_model_reads_is_refused(run):
    words = ["--prompt", "a " * 40, "--correct", " Mary", "--incorrect", " John"]
    words += ["--corrupted", "a " * 39 + "b "]
    code, out, err = run("attribute", *words, question=False)
    assert code == 2
    assert out == ""
    assert "32" in err


def test_a_missing_model_is_a_message_and_exit_code_1(run, tmp_path):
    code, out, err = run("patch", model=tmp_path / "nowhere")
    assert code == 1
    assert out == ""
    assert "ModelNotFoundError" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["analyze", "attribute", "patch"])
def test_bad_arguments_are_refused_before_a_model_is_looked_for(command, run, tmp_path):
    code, out, err = run(command, "--out", "no/such/folder/f.json", model=tmp_path / "nowhere")
    assert code == 2
    assert out == ""
    assert "ModelNotFoundError" not in err


def test_models_can_be_described_and_checked(run, folder):
    code, out, _ = run("models", "describe", "--json", question=False)
    assert code == 0
    described = json.loads(out)
    assert (described["layers"], described["heads"], described["d_model"]) == (3, 4, 32)
    code, out, _ = run("models", "check", "--json", question=False)
    assert code == 0
    assert json.loads(out)["stream_error"] < 1e-4
