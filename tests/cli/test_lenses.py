"""The commands of the lenses on a small model: what they print, write, draw and refuse."""

import json
import re

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import pellucid
from pellucid.cli.main import app
from pellucid.lens.direct.direct_versus_total import ShareAgainstEffect
from tests.models.ioi_prompts import CORRUPTED, PROMPT

ASKING = ["dla", "neurons", "tokens", "edges", "attribute", "patch"]
READING = ["lens", "attention"]
WHOLE = [["roles", "--sequences", "2", "--length", "6", "--nulls", "1", "--controls", "1"]]
WHOLE += [["compose"]]
KINDS = {
    "lens": pellucid.LogitLens,
    "dla": pellucid.DirectEffects,
    "neurons": pellucid.Neurons,
    "tokens": pellucid.TokenAttribution,
    "edges": pellucid.EdgeScores,
    "attention": pellucid.AttentionPatterns,
    "roles": pellucid.HeadRoles,
    "compose": pellucid.Composition,
}


@pytest.fixture(params=[*ASKING[:4], *READING, *(words[0] for words in WHOLE)])
def command(request, run):
    """A lens' command: its name, and a call of it with what it must be given."""
    name = request.param
    words = next((words for words in WHOLE if words[0] == name), [name])
    words = [*words, PROMPT] if name in READING else words

    def call(*more):
        return run(*words, *more, question=name in ASKING)

    return name, call


def test_text_is_at_most_eighty_columns_and_alone_on_stdout(command):
    code, out, err = command[1]()
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    assert out.strip()
    assert "Opening" not in out


def test_json_on_stdout_is_the_result(command):
    name, call = command
    code, out, err = call("--json")
    assert code == 0, err
    body = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert body["type"] == KINDS[name].__name__


def test_out_writes_json_a_table_or_a_folder(command, tmp_path):
    name, call = command
    for file in ("r.json", "r.csv", "r"):
        code, _, err = call("--out", str(tmp_path / file))
        assert code == 0, err
        assert f"Written to {tmp_path / file}" in err
    assert json.loads((tmp_path / "r.json").read_text())["type"] == KINDS[name].__name__
    assert len(pd.read_csv(tmp_path / "r.csv")) > 0
    assert isinstance(KINDS[name].load(tmp_path / "r"), KINDS[name])


def test_plot_draws_png_and_svg(command, tmp_path):
    for file, magic in (("f.png", b"\x89PNG"), ("f.svg", b"<?xml")):
        code, _, err = command[1]("--plot", str(tmp_path / file))
        assert code == 0, err
        assert f"Drawn to {tmp_path / file}" in err
        assert (tmp_path / file).read_bytes().startswith(magic)


@pytest.mark.parametrize("name", ["attribute", "patch"])
def test_estimates_and_effects_are_drawn(name, run, tmp_path):
    code, _, err = run(name, "--plot", str(tmp_path / "f.svg"))
    assert code == 0, err
    assert "positive supports the answer" in (tmp_path / "f.svg").read_text()


def test_effects_at_positions_are_drawn_under_the_tokens(run, tmp_path):
    file = tmp_path / "f.svg"
    code, _, err = run("patch", "--sites", "resid", "--each-position", "--plot", str(file))
    assert code == 0, err
    assert "␣gave" in file.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["lens"], "prompt once"),
        (["lens", "a", "--prompt", "b"], "prompt once"),
        (["lens", "a", "--show", "kl"], "add --against"),
        (["lens", "a", "--show", "layers", "--target", "b"], "--target twice"),
        (["attention", "a", "--plot", "f.pdf"], ".png or .svg"),
        (["attention", "a", "--plot", "no/such/f.png"], "the folder"),
        (["roles", "--sequences", "0"], "--sequences"),
        (["roles", "--out", "f.txt"], ".json, .csv, .html, .md or .pdf"),
        (["compose", "--kind", "x"], "--kind"),
        (["dla", "a b"], "--answer is missing"),
        (["dla", "a", "--answer", "x", "--foil", "y", "--show", "sources"], "--split source"),
        (["tokens", "a", "--answer", "x", "--foil", "y", "--steps", "4"], "only --method ig"),
        (["tokens", "a", "--answer", "x", "--foil", "y", "--method", "ig", "--replacement", "z"],
         "--method occlusion"),
        (["tokens", "a", "--answer", "x", "--foil", "y", "--method", "gradient", "--metric", "kl"],
         "has no gradient"),
        (["edges", "a", "--answer", "x", "--foil", "y", "--method", "eap", "--metric", "kl"],
         "--method mask-ig"),
        (["edges", "a", "--answer", "x", "--foil", "y", "--method", "eap", "--steps", "4"],
         "only eap-ig"),
    ],
)  # fmt: skip
def test_bad_arguments_exit_with_2_before_a_model_opens(words, says, monkeypatch):
    monkeypatch.setattr("pellucid.model.opening.load.load", None)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    assert says in re.sub(r"[\s│]+", " ", result.output)


def test_what_this_model_has_not_got_exits_with_2(run):
    for words, says in (
        (
            ["attention", PROMPT, "--head", "L9H6"],
            "No part named L9H6: there are L0H0, L0H1 to L2H3",
        ),
        (["compose", "--sender", "L9H6"], "senders=: No part named L9H6"),
        (["lens", PROMPT, "--position", "99"], "14 positions"),
        (["lens", PROMPT, "--against", "Mary"], "side by side"),
    ):
        code, out, err = run(*words, question=False)
        assert (code, out) == (2, ""), err
        assert says in err


def test_two_prompts_and_two_targets_reach_the_lens(run, tmp_path):
    words = ["lens", PROMPT, "--against", CORRUPTED, "--target", " Mary", "--target", " John"]
    code, out, err = run(*words, "--position", "-1", "--json", question=False)
    assert code == 0, err
    fields = json.loads(out)["fields"]
    assert fields["targets"] == [" Mary", " John"]
    assert fields["positions"] == [13]
    assert fields["against"]["fields"]["tokens"] == [" to"]
    for show in ("probability", "difference", "kl", "layers"):
        file = tmp_path / f"{show}.svg"
        assert run(*words, "--show", show, "--plot", str(file), question=False)[0] == 0
        assert "Logit lens" in file.read_text()


def test_shares_are_those_of_the_library_and_split_by_source(run, random_gpt2):
    code, out, err = run("dla", "--split", "source", "--json")
    assert code == 0, err
    question = pellucid.Contrast(PROMPT, CORRUPTED, " Mary", " John")
    wanted = pellucid.direct_effects(pellucid.load(random_gpt2), question, split="source")
    fields = json.loads(out)["fields"]
    for name in ("per_example", "by_source"):
        found = torch.tensor(fields[name]["tensor"])
        torch.testing.assert_close(found, getattr(wanted, name).to(found.dtype))


def test_shares_can_be_held_against_patching(run, tmp_path):
    more = [
        "--against",
        "patching",
        "--out",
        str(tmp_path / "c"),
        "--plot",
        str(tmp_path / "f.svg"),
    ]
    code, out, err = run("dla", *more)
    assert code == 0, err
    assert "Pearson  Spearman" in out
    assert "Cost: " in out
    assert len(ShareAgainstEffect.load(tmp_path / "c").nodes) == 12
    assert "Direct effects against patching" in (tmp_path / "f.svg").read_text()


def test_the_strongest_edges_are_printed_first(run, random_gpt2):
    code, out, err = run("edges", "--top", "5")
    assert code == 0, err
    question = pellucid.Contrast(PROMPT, CORRUPTED, " Mary", " John")
    wanted = pellucid.attribute_edges(pellucid.load(random_gpt2), question).ranked()[:5]
    rows = [line.split() for line in out.splitlines() if "->" not in line]
    listed = [tuple(row[:2]) for row in rows if len(row) == 3 and row[2][0] in "+-"]
    assert listed == [(sender.name, slot.name) for sender, slot in wanted]


def test_one_kind_of_composition_may_be_asked_for(run):
    code, out, err = run("compose", "--kind", "v", "--receiver", "L2H0", question=False)
    assert code == 0, err
    assert "V-composition" in out
    assert "K-composition" not in out


def test_roles_draws_one_role_or_the_loss(run, tmp_path):
    for show, says in (("induction", "Heads by role: induction"), ("loss", "said twice")):
        file = tmp_path / f"{show}.svg"
        words = [*WHOLE[0], "--show", show, "--plot", str(file)]
        assert run(*words, question=False)[0] == 0
        assert says in file.read_text()
