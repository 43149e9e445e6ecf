"""Files for drawing programs: read back by other readers, and held to the published schema."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import networkx
import pytest
import torch

import pellucid
from pellucid import Contrast, ResultFileError
from tests.circuit.exchange.circuits import PAIR, circuit, model

SCHEMA = json.loads(Path(__file__).with_name("attribution-graph.json").read_text())
KINDS = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
    "null": type(None),
}  # fmt: skip


def faults(value, schema, where="graph") -> list[str]:
    """What JSON Schema's type, required, properties and items say against ``value``."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if (kinds and not any(isinstance(value, KINDS[k]) for k in kinds)) or isinstance(value, bool):
        return [f"{where} is not {kinds}"]
    found = [f"{where} lacks {key}" for key in schema.get("required", []) if key not in value]
    for key, part in schema.get("properties", {}).items():
        if key in value:
            found += faults(value[key], part, f"{where}.{key}")
    for i, item in enumerate(value if "items" in schema else []):
        found += faults(item, schema["items"], f"{where}[{i}]")
    return found


@pytest.fixture(params=["rms", "grouped", "attention-only"])
def variety(request) -> str:
    return request.param


def shares(found) -> dict[tuple[str, str, str], float]:
    """The arrows wanted: every edge into each of its slot's heads that send, in equal parts."""
    heads = {n.name for n in found.nodes()}
    wanted = {}
    for (sender, slot), score in zip(found.edges(), found.scores[found.kept].tolist(), strict=True):
        name = re.sub(r"\.[qkv]$", "", slot.name)
        if "KV" in name:
            layer, head = map(int, re.findall(r"\d+", name))
            group = 2 if len(found.senders) == 16 else 1
            fed = [f"L{layer}H{head * group + i}" for i in range(group)]
            fed = [head for head in fed if head in heads] or fed
        else:
            fed = [name]
        wanted |= {(sender.name, to, slot.name): score / len(fed) for to in fed}
    return wanted


def test_networkx_reads_the_graphml_written(variety, tmp_path):
    found = circuit(variety)
    graph = networkx.read_graphml(found.export(tmp_path / "c.graphml"), force_multigraph=True)
    read = {(u, v, d["slot"]): d["estimate"] for u, v, d in graph.edges(data=True)}
    assert read == pytest.approx(shares(found))
    assert all(graph.nodes[n]["kind"] for n in graph)
    assert {n for n in graph if graph.nodes[n]["kind"] == "head"} >= {
        n.name for n in found.nodes() if n.kind == "head"
    }
    assert graph.nodes["logits"] == {"kind": "logits"}


def test_a_circuit_of_nodes_is_drawn_without_edges(tmp_path):
    opened = model("grouped")
    found = pellucid.discover(opened, PAIR, insist=True)
    graph = networkx.read_graphml(found.export(tmp_path / "c.graphml"))
    assert tuple(graph) == found.names
    assert [graph.nodes[n]["estimate"] for n in graph] == pytest.approx(list(found.estimates))
    assert found.export(tmp_path / "c.dot").read_text().count("shape=") == len(found)
    with pytest.raises(ResultFileError, match="nodes only"):
        found.export(tmp_path / "c.json", format="eap-ig")


def test_text_of_tokens_is_escaped(random_gpt2, tmp_path):
    opened = pellucid.load(str(random_gpt2))
    awkward = 'a "q" <b> & \\n\\ \x00\x07\n]]>'
    asked = Contrast(awkward, awkward.replace("a", "o", 1), "x", "y")
    found = pellucid.discover_edges(opened, asked, method="top", size=8, insist=True)
    told = {"model": opened, "contrast": asked}
    graph = networkx.read_graphml(found.export(tmp_path / "c.graphml", **told))
    visible = awkward.replace("\x00", "\\x00").replace("\x07", "\\x07")
    assert graph.graph["prompt"] == visible
    dot = found.export(tmp_path / "c.gv", **told).read_text()
    assert not re.search("[\x00-\x09\x0b-\x1f]", dot)
    body = json.loads(found.export(tmp_path / "c.json", format="neuronpedia", **told).read_text())
    assert body["metadata"]["schema_version"] == 1
    assert body["metadata"]["prompt"] == awkward
    assert "".join(body["metadata"]["prompt_tokens"]) == awkward


STRING = r'"(?:[^"\\]|\\.)*"'
ATTRIBUTES = rf"\[\w+={STRING}(?:, \w+={STRING})*\];"
LINE = re.compile(
    rf"digraph circuit {{|rankdir=BT;|(label|comment)={STRING};|node {ATTRIBUTES}|{{|}}|rank=same;"
    rf"|{STRING}(?: -> {STRING})? {ATTRIBUTES}"
)


def test_every_line_of_dot_is_a_statement_of_its_grammar(variety, tmp_path):
    found = circuit(variety)
    told = {"model": model(variety), "contrast": PAIR}
    lines = found.export(tmp_path / "c.dot", **told).read_text().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line.strip())] == []
    assert sum("{" in line for line in lines) == sum("}" in line for line in lines)
    arrows = [re.findall(STRING, line)[:2] for line in lines if " -> " in line]
    assert [(u[1:-1], v[1:-1]) for u, v in arrows] == [(u, v) for u, v, _ in shares(found)]


def test_the_attribution_graph_fits_the_published_schema(variety, tmp_path):
    found, opened = circuit(variety), model(variety)
    path = found.export(tmp_path / "g.json", format="neuronpedia", model=opened, contrast=PAIR)
    body = json.loads(path.read_text())
    assert faults(body, SCHEMA) == []
    ids = [node["node_id"] for node in body["nodes"]]
    assert len(set(ids)) == len(ids)
    ends = [(link["source"], link["target"]) for link in body["links"]]
    assert len(set(ends)) == len(ends)
    assert {end for pair in ends for end in pair} <= set(ids)
    labels = {node["node_id"]: node["clerp"] for node in body["nodes"]}
    read = {(labels[link["source"]], slot) for link in body["links"] for slot in link["slots"]}
    embedding = {"embed": "embedding of all tokens"}
    assert read == {(embedding.get(u, u), v) for u, v in found.names}
    for link in body["links"]:
        assert link["weight"] == pytest.approx(sum(link["slots"].values()))


def test_the_logits_hold_the_answers_probability(tmp_path):
    opened = model("rms")
    told = {"format": "neuronpedia", "model": opened, "contrast": PAIR}
    body = json.loads(circuit("rms").export(tmp_path / "g.json", **told).read_text())
    (logit,) = [node for node in body["nodes"] if node["is_target_logit"]]
    with torch.no_grad():
        logits = opened.module(torch.tensor([PAIR.clean])).logits[0, -1]
    wanted = float(logits.softmax(-1)[PAIR.answer])
    assert logit["token_prob"] == pytest.approx(wanted, rel=1e-9)
    assert float(logit["clerp"].split("(p=")[1].split(")")[0]) == pytest.approx(wanted, abs=5e-4)
    assert logit["feature"] == PAIR.answer
    assert all(node["ctx_idx"] < len(PAIR.clean) for node in body["nodes"])


def test_what_does_not_go_together_is_refused_and_nothing_written(tmp_path):
    found, opened = circuit("rms"), model("rms")
    scores = torch.full_like(found.scores, math.nan)
    unscored = replace(found, scores=scores)
    told = {"model": opened, "contrast": PAIR}
    for one, name, options, message in (
        (found, "g.json", {}, "Give format="),
        (found, "g.json", {"format": "yaml"}, "not known"),
        (found, "g.json", {"format": "neuronpedia"}, "needs both"),
        (found, "g.dot", {"model": opened}, "go together"),
        (found, "g.json", {"format": "eap-ig", **told}, "holds no question"),
        (found, "g.dot", {"model": model("attention-only"), "contrast": PAIR}, "lacks"),
        (unscored, "g.json", {"format": "neuronpedia", **told}, "has no score"),
    ):
        with pytest.raises(ResultFileError, match=message):
            one.export(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_is_said_and_the_old_file_kept(tmp_path):
    path = circuit("rms").export(tmp_path / "g.dot")
    before = path.read_text()
    with pytest.raises(ResultFileError, match=r"Cannot write|no ordinary file"):
        circuit("rms").export(path / "below.dot")
    (tmp_path / "folder.dot").mkdir()
    with pytest.raises(ResultFileError, match=r"Cannot write|no ordinary file"):
        circuit("rms").export(tmp_path / "folder.dot")
    assert path.read_text() == before
    assert {p.name for p in tmp_path.iterdir()} == {"g.dot", "folder.dot"}
