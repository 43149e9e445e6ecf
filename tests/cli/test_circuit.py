"""`pellucid circuit` on a small model: what it prints, writes, draws and refuses."""

import json

import pytest

import pellucid

WHY = pellucid.Refusal(code="answer_not_preferred", text="why")
SEARCH = ("--method", "top", "--size", "12")


@pytest.fixture(autouse=True)
def claiming(monkeypatch):
    """Random weights have no circuit to claim; what is shown of one is tested all the same."""
    monkeypatch.setattr("pellucid.circuit.edges.discover.nothing_to_explain", lambda trace: None)


def test_a_circuit_is_shown_within_eighty_columns(run):
    code, out, err = run("circuit", *SEARCH, "--random-sets", "2")
    assert code == 0, err
    assert max(map(len, out.splitlines())) <= 80
    for word in ("sufficiency", "comprehensiveness", "completeness_gap", "random connected"):
        assert word in out


def test_it_is_written_as_json_and_as_graphs_and_drawn(run, tmp_path):
    for name in ("c.json", "c.csv", "c.graphml", "c.dot"):
        code, _, err = run("circuit", *SEARCH, "--out", str(tmp_path / name))
        assert code == 0, err
        assert (tmp_path / name).stat().st_size > 0
    code, out, _ = run("circuit", *SEARCH, "--json", "--plot", str(tmp_path / "c.png"))
    assert code == 0
    assert json.loads(out)["type"] == pellucid.EdgeCircuit.__name__
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "3"), "--size goes with --method top or greedy"),
        (("--method", "acdc"), "--tau goes with --method acdc"),
        (("--method", "automatic"), "too few"),
        (("--target", "1.5"), "target"),
        (("--method", "acdc", "--tau", "nan"), "0 or more"),
        (("--out", "circuit.txt"), ".graphml or .dot"),
        (("--out", "nowhere/circuit.dot"), "does not exist"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(run, words, said):
    code, _, err = run("circuit", *words)
    assert code == 2
    assert said in " ".join(err.replace("│", " ").split())


def test_where_nothing_is_claimed_it_says_why(run, monkeypatch):
    monkeypatch.setattr("pellucid.circuit.edges.discover.nothing_to_explain", lambda trace: WHY)
    code, out, _ = run("circuit")
    assert code == 0
    assert "0 of" in out
    assert "why" in out
