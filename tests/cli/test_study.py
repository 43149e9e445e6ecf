"""`pellucid study`: saved analyses and files of questions, side by side."""

import json
import os
import sys

import pytest
from typer.testing import CliRunner

import pellucid
from pellucid.cli.main import app


@pytest.fixture(scope="module")
def saved(random_gpt2, tmp_path_factory) -> str:
    model = pellucid.load(str(random_gpt2))
    asked = pellucid.Contrast("one is a", "one is b", "x", "y")
    place = tmp_path_factory.mktemp("saved") / "letters 1"
    return str(pellucid.analyze(model, asked, insist=True).save(place))


@pytest.fixture
def questions(tmp_path):
    place = tmp_path / "letters.csv"
    place.write_text("clean,corrupted,answer,foil\ntwo is a,two is b,x,y\nsix is a,six is b,y,x\n")
    return place


def test_questions_of_a_file_stand_beside_what_was_saved(run, saved, questions, tmp_path):
    other = questions.rename(tmp_path / "others.csv")
    words = ("study", saved, "--prompts", str(other), "--out", str(tmp_path / "s"))
    code, out, err = run(*words, question=False)
    assert code == 0, err
    found = pellucid.Study.load(tmp_path / "s")
    assert found.names == ("letters 1", "others 1", "others 2")
    assert out.strip() == str(found)


def test_saved_analyses_need_no_model(saved):
    done = CliRunner().invoke(app, ["study", saved, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["type"] == "Study"


def test_what_does_not_go_together_is_a_usage_error(run, saved, questions):
    for words, said in (
        ((), "Give saved analyses"),
        ((saved, saved), "letters 1 is the name of an analysis given before"),
        ((saved, "--prompts", str(questions)), "letters 1 is the name of an analysis given before"),
        (("--prompts", str(questions), "--ablation", "resample"), "each is analysed alone"),
        (("--prompts", str(questions), "--out", "s.txt"), ".md or .pdf"),
    ):
        code, _, err = run("study", *words, question=False)
        assert code == 2, words
        assert said in " ".join(err.replace("│", " ").split())


def test_a_saved_study_is_taken_apart_and_another_kind_is_named(run, saved, tmp_path):
    one = pellucid.Analysis.load(saved)
    study = pellucid.Study.of({"a": one, "b": one}).save(tmp_path / "s")
    code, out, err = run("study", str(study), saved, "--json", question=False)
    assert code == 0, err
    assert json.loads(out)["fields"]["names"] == ["a", "b", "letters 1"]
    other = one.attribution.save(tmp_path / "other")
    code, _, err = run("study", str(other), question=False)
    assert code == 1
    assert "holds the kind Attribution" in err


def test_an_analysis_is_called_as_its_folder_is(saved, tmp_path, monkeypatch):
    one = pellucid.Analysis.load(saved)
    for name in ("qwen2.5", "qwen2.7"):
        one.save(tmp_path / name)
    (tmp_path / "v1.json").write_text(one.to_json())
    monkeypatch.chdir(tmp_path / "qwen2.5")
    done = CliRunner().invoke(app, ["study", ".", "../qwen2.7", "../v1.json", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["fields"]["names"] == ["qwen2.5", "qwen2.7", "v1"]


def test_a_question_that_fails_leaves_those_before_it_and_the_command_goes_on(
    run, questions, tmp_path, monkeypatch
):
    analyze, calls = pellucid.analyze, []

    def failing(model, contrast, **options):
        calls.append(contrast)
        if len(calls) == 2:
            raise pellucid.NonFiniteError("The metric is NaN.")
        return analyze(model, contrast, **options)

    monkeypatch.setattr(sys.modules["pellucid.studies.study"], "analyze", failing)
    words = ("study", "--prompts", str(questions), "--out", str(tmp_path / "s"), "--random-sets=0")
    code, out, err = run(*words, question=False)
    assert code == 1
    assert "NonFiniteError: letters 2: The metric is NaN." in err
    assert "Finished before it stopped: letters 1. They are kept beside" in err
    assert "letters 1" in out
    assert not (tmp_path / "s").exists()
    code, out, err = run(*words, question=False)
    assert code == 0, err
    assert len(calls) == 3
    assert pellucid.Study.load(tmp_path / "s").names == ("letters 1", "letters 2")
    assert sorted(os.listdir(tmp_path)) == ["letters.csv", "s"]
