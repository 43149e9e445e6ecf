"""The commands on a small local model: formats, places, costs and errors, all in one process."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import pellucid
from pellucid import Analysis, Attribution, ContrastBatch, PatchEffects, Result
from pellucid.cli.main import app, show_version
from tests.models.ioi_prompts import CORRUPTED, PROMPT

ASKED = [PROMPT, "--answer", " Mary", "--foil", " John"]
NOT_DONE = "The model does not do this"


def tensor(out, name):
    """A tensor field of a result printed as JSON."""
    return torch.tensor(json.loads(out)["fields"][name]["tensor"])


@pytest.fixture(scope="module")
def opened(random_gpt2):
    """The same model, opened by the library."""
    return pellucid.load(random_gpt2)


@pytest.fixture
def prompts(tmp_path):
    """A file of two questions of different length."""
    rows = {
        "clean": [PROMPT, "The store, John and Mary, Mary gave"],
        "corrupted": [CORRUPTED, "The store, John and Mary, John gave"],
        "answer": [" Mary", " John"],
        "foil": [" John", " Mary"],
    }
    pd.DataFrame(rows).to_csv(tmp_path / "prompts.csv", index=False)
    return str(tmp_path / "prompts.csv"), ContrastBatch.from_lists(*rows.values())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["analyze"], "prompt once"),
        (["analyze", "a b"], "--answer is missing"),
        (["analyze", "a b", "--answer", " x"], "--foil is missing"),
        (["analyze", "a b", "--answer", " x", "--foil", " x"], "are both"),
        (["analyze", " ", "--answer", " x", "--foil", " y"], "must not be empty"),
        (["analyze", *ASKED, "--out", "no/such/f.json"], "the folder"),
        (["analyze", *ASKED, "--method", "magic"], "magic"),
        (["analyze", *ASKED, "--metric", "magic"], "magic"),
        (["analyze", *ASKED, "--metric", "kl"], "--method mask-ig"),
        (["analyze", *ASKED, "--ablation", "resample"], "--prompts"),
        (["analyze", *ASKED, "--dtype", "int8"], "int8"),
        (["patch", *ASKED, "--device", "my device"], "should be a name"),
        (["patch", *ASKED, "--prompts", "some.csv"], "leave out"),
        (["attribute", "a", "--prompt", "b", "--answer", "x", "--foil", "y"], "prompt once"),
    ],
)
def test_bad_arguments_exit_with_2_before_a_model_opens(arguments, says, monkeypatch):
    monkeypatch.setattr("pellucid.model.opening.load.load", None)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_version_and_list():
    result = CliRunner().invoke(app, ["--version"])
    assert result.output.startswith("pellucid ")
    result = CliRunner().invoke(app, ["models", "list", "--json"])
    assert "smollm2-135m" in json.loads(result.stdout)


def test_the_spelling_of_glassbox_is_understood(run):
    words = ["--prompt", PROMPT, "--correct", " Mary", "--incorrect", " John"]
    code, out, err = run("attribute", *words, "--top", "3", question=False)
    assert code == 0, err
    assert "3 of " in out
    assert "Corrupted prompt: 'When " in err


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
    assert body["schema"] == 2


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


@pytest.mark.parametrize("metric", ["logit_diff", "prob_diff", "log_prob", "kl"])
def test_every_metric_gives_what_the_library_gives(metric, run, opened):
    question = pellucid.Contrast(PROMPT, CORRUPTED, " Mary", " John")
    code, out, err = run("patch", "--metric", metric, "--json")
    assert code == 0, err
    wanted = pellucid.patch(opened, question, metric=metric).per_example
    torch.testing.assert_close(tensor(out, "per_example"), wanted)
    method = "mask-ig" if metric == "kl" else "atp"
    code, out, err = run("attribute", "--metric", metric, "--method", method, "--json")
    assert code == 0, err
    wanted = pellucid.attribute(opened, question, metric=metric, method=method).by_position
    torch.testing.assert_close(tensor(out, "by_position"), wanted)
    assert run("analyze", "--metric", metric, "--method", method, "--insist")[0] == 0


def test_the_passes_told_are_all_that_were_made(run):
    code, out, _ = run("attribute", "--method", "mask-ig", "--json")
    assert code == 0
    fields = json.loads(out)["fields"]
    steps = {4: 4, 8: 12, 16: 28, 32: 60, 64: 124}[fields["steps"]]  # 4, then twice as many, ...
    assert fields["passes"]["fields"]["forwards"] == 2 + steps


def test_only_the_places_named_are_patched(run):
    code, out, err = run("patch", "--only", "L1H2", "--only", "L0H0", "--json")
    assert code == 0, err
    places = json.loads(out)["fields"]["places"]
    assert [place["fields"]["name"] for place in places] == ["L0H0", "L1H2"]
    code, _, err = run("patch", "--only", "L9H6")
    assert code == 2
    assert "No part named L9H6: there are L0H0, L0H1 to L2H3" in err


def test_the_dtype_is_that_of_the_numbers(run):
    for name in ("float32", "float64"):
        code, out, err = run("attribute", "--dtype", name, "--device", "cpu", "--json")
        assert code == 0, err
        assert json.loads(out)["fields"]["by_position"]["dtype"] == name


def test_a_device_that_is_not_here_is_named_with_those_that_are(run):
    code, out, err = run("attribute", "--device", "cuda:99")
    assert (code, out) == (1, "")
    assert "cuda:99" in err
    assert "cpu" in err


@pytest.mark.parametrize("ablation", ["mean", "zero"])
def test_the_ablation_is_passed_on(ablation, run):
    code, out, err = run("analyze", "--ablation", ablation, "--json")
    assert code == 0, err
    assert json.loads(out)["fields"]["circuit"]["fields"]["ablation"] == ablation


def test_a_file_of_prompts_is_a_batch(run, opened, prompts):
    file, batch = prompts
    for command, call, name in (
        ("attribute", pellucid.attribute, "by_position"),
        ("patch", pellucid.patch, "per_example"),
    ):
        code, out, err = run(command, "--prompts", file, "--json", question=False)
        assert code == 0, err
        torch.testing.assert_close(tensor(out, name), getattr(call(opened, batch), name))
    code, out, err = run("analyze", "--prompts", file, question=False)
    assert code == 0, err
    assert "2 prompts; the first is shown" in out
    assert f"--prompts {file}" in " ".join(out.replace("\\\n", "").split())


def test_a_file_of_prompts_can_be_planned(run, prompts):
    code, out, err = run("analyze", "--plan", "--prompts", prompts[0], question=False)
    assert code == 0, err
    assert "judge corrupted prompts" not in out  # the file holds them


@pytest.mark.parametrize("command", ["attribute", "patch"])
def test_tables_begin_with_the_behaviour(command, run, prompts):
    said = []
    for answer, foil in ((" Mary", " John"), (" John", " Mary")):
        words = [PROMPT, "--answer", answer, "--foil", foil, "--corrupted", CORRUPTED]
        code, out, err = run(command, *words, question=False)
        assert code == 0, err
        assert out.startswith("The model's logit diff: ")
        said.append(NOT_DONE in out)
    assert sorted(said) == [False, True]  # one of the two names is preferred
    code, out, err = run(command, "--prompts", prompts[0], "--json", question=False)
    json.loads(out)
    assert "Means of 2 prompts; the answer is preferred to the foil in" in err


def test_the_table_of_an_analysis_has_estimates_beside_effects(run, opened, tmp_path):
    code, _, err = run("analyze", "--insist", "--target", "0.5", "--out", str(tmp_path / "a.csv"))
    assert code == 0, err
    table = pd.read_csv(tmp_path / "a.csv").set_index("node")
    assert list(table.columns[5:]) == ["estimate", "effect", "in_circuit"]
    assert len(table) == len(opened.nodes)
    question = pellucid.Contrast(PROMPT, CORRUPTED, " Mary", " John")
    every = pellucid.patch(opened, question, sites="nodes").to_frame().set_index("node")["effect"]
    measured = table["effect"].dropna()
    assert len(measured) == 12 + 1  # and the embedding
    assert measured.to_numpy() == pytest.approx(every[measured.index].to_numpy(), abs=1e-5)
    found = pellucid.discover(opened, question, insist=True, target=0.5)
    assert set(table.index[table["in_circuit"]]) == set(found.names)


def test_what_rounds_to_zero_has_no_minus(capsys):
    from pellucid.analysis.wording import metric_line
    from pellucid.cli.terminal import table_text

    assert "+0.00 on the prompt, +0.00 on" in metric_line("kl", -0.0, -1e-9)

    class Small:
        passes = ""

        def to_frame(self):
            return pd.DataFrame({"node": ["M0"], "effect": [-1e-9]})

    assert "+0.0000" in table_text(Small(), "effect", 1)


def test_a_continuation_without_its_space_is_pointed_at(run):
    words = [PROMPT, "--answer", "Mary", "--foil", " John", "--corrupted", CORRUPTED]
    code, _, err = run("patch", *words, question=False)
    assert code == 0
    assert "did you mean ' Mary', a single token?" in err


def test_a_threshold_that_is_missed_exits_with_3_and_still_prints(run):
    code, out, err = run("analyze", "--fail-under", "0.5")
    assert code == 3
    assert "no circuit" in err
    assert "Cost:" in out


def test_the_plan_runs_no_analysis(run, monkeypatch):
    monkeypatch.setattr("pellucid.analysis.analyze.analyze", None)
    code, out, err = run("analyze", "--plan", "--include", "tokens,lens")
    assert code == 0, err
    assert out.startswith("Nothing was analysed.")
    assert max(map(len, out.splitlines())) <= 80
    code, found, err = run("analyze", "--plan", "--include", "tokens,lens", "--json")
    plan = json.loads(found)
    steps = {name: n for name, n in plan.items() if type(n) is int and "at most" not in name}
    assert sum(steps.values()) == plan["forwards at most"]
    for step, forwards in steps.items():
        assert (f"{forwards:5d} forward" in out and f": {step}\n" in out) == bool(forwards)
    text = " ".join(out.split())
    assert f"at most {plan['forwards at most']} forwards and {plan['backwards at most']}" in text
    assert "measured just now" in text


def test_what_cannot_be_included_is_refused_before_a_model_opens(run, monkeypatch):
    monkeypatch.setattr("pellucid.cli.options.open_model", None)
    code, _, err = run("analyze", "--include", "lens,rols")
    assert code == 2
    assert "rols is not known" in " ".join(err.replace("│", " ").split())


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
    code, out, err = run(command, "--out", "no/such/random_gpt2/f.json", model=tmp_path / "nowhere")
    assert code == 2
    assert out == ""
    assert "ModelNotFoundError" not in err


def test_the_flag_that_was_not_given_is_false():
    assert show_version(False) is False


def test_a_model_may_be_named_without_the_option(run, random_gpt2):
    code, out, err = run("models", "describe", str(random_gpt2), question=False)
    assert code == 2
    assert "Give the model once" in err
    code, out, err = run("models", "describe", question=False, model="nope")
    assert (code, out) == (1, "")
    assert "smollm2-135m" in err


def test_models_can_be_described_and_checked(run, random_gpt2):
    code, out, _ = run("models", "describe", "--json", question=False)
    assert code == 0
    described = json.loads(out)
    assert (described["layers"], described["heads"], described["d_model"]) == (3, 4, 32)
    code, out, _ = run("models", "check", "--json", question=False)
    assert code == 0
    assert json.loads(out)["stream_error"] < 1e-4


def test_neurons_are_ranked_and_patched_by_name(run, opened):
    question = pellucid.Contrast(PROMPT, CORRUPTED, " Mary", " John")
    n_neurons = opened.anatomy.blocks[1].mlp.n_neurons
    code, out, err = run("patch", "--sites", "M1.neurons", "--json")
    assert code == 0, err
    measured = pellucid.PatchEffects.from_json(out)
    assert [place.name for place in measured.places] == [f"M1N{i}" for i in range(n_neurons)]
    wanted = pellucid.patch(opened, question, sites="M1.neurons")
    torch.testing.assert_close(measured.per_example, wanted.per_example, atol=1e-5, rtol=0)
    code, out, err = run("attribute", "--parts", "M1N3+L0.heads", "--json")
    assert code == 0, err
    assert [n.name for n in pellucid.Attribution.from_json(out).nodes][-1] == "M1N3"
    for arguments in (("patch", "--sites", "tails"), ("attribute", "--parts", "M1N")):
        code, _, err = run(*arguments)
        assert code == 2
        assert "name parts, as L9H6" in " ".join(err.split())
    code, _, err = run("patch", "--sites", "M9.neurons")
    assert code == 2
    assert "No part named M9.neurons" in " ".join(err.split())


def test_a_report_names_the_file_of_prompts_by_its_hash(run, prompts, tmp_path):
    path, batch = prompts
    digest = sha256(Path(path).read_bytes()).hexdigest()
    words = ["--insist", "--random-sets", "0", "--budget", "40"]
    code, out, err = run("analyze", "--prompts", path, *words, "--json", question=False)
    assert code == 0, err
    found = Analysis.from_json(out)
    (file,) = found.provenance.files
    assert (file.name, file.sha256) == ("prompts.csv", digest)
    assert digest in found.to_markdown()
    read = pellucid.read_prompts(path)
    assert read == replace(read, file=None)  # the file is no part of what is asked
    assert read.contrasts == batch.contrasts
    code, out, err = run("study", "--prompts", path, *words, "--json", question=False)
    assert code == 0, err
    assert digest in Result.from_json(out).to_markdown()
