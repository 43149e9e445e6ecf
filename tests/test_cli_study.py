"""`pellucid study`: saved analyses and files of questions, side by side."""

import json

import pytest
from typer.testing import CliRunner

import pellucid
from pellucid.cli import app


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
        ((saved, saved), "the same name"),
        ((saved, "--prompts", str(questions)), "letters 1: a saved analysis has the name"),
        (("--prompts", str(questions), "--ablation", "resample"), "by itself"),
        (("--prompts", str(questions), "--out", "s.pdf"), ".json or .csv"),
    ):
        code, _, err = run("study", *words, question=False)
        assert code == 2, words
        assert said in " ".join(err.replace("│", " ").split())


def test_another_kind_of_result_is_named(run, saved, tmp_path):
    study = pellucid.Study.of({"a": pellucid.Analysis.load(saved)}).save(tmp_path / "s")
    code, _, err = run("study", str(study), question=False)
    assert code == 1
    assert "holds the kind Study, not Analysis" in err
