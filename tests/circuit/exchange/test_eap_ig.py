"""EAP-IG's graphs: nothing is lost on the way there and back, and a bad file says why."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import pellucid
from pellucid import ResultFileError
from tests.circuit.exchange.circuits import PAIR, circuit, model, same

DATA = Path(os.environ.get("PELLUCID_SHARED", Path(__file__).parents[4] / "shared")) / "data"
PUBLISHED = {"ioi": 963, "gt": 189}


def edges_by_hand(body) -> set[tuple[str, str]]:
    """The edges in a graph under our names, each head with keys and values of its own."""

    def ours(name: str) -> str:
        if found := re.fullmatch(r"a(\d+)\.h(\d+)(?:<([qkv])>)?", name):
            layer, head, letter = found.groups()
            if letter is None:
                return f"L{layer}H{head}"
            return f"L{layer}{'H' if letter == 'q' else 'KV'}{head}.{letter}"
        return {"input": "embed"}.get(name, name.replace("m", "M"))

    kept = [edge.split("->") for edge, value in body["edges"].items() if value["in_graph"]]
    return {(ours(sender), ours(receiver)) for sender, receiver in kept}


@pytest.mark.parametrize("variant", ["eap-ig", "eap-ig-flat"])
@pytest.mark.parametrize("variety", ["rms", "layer", "parallel", "grouped"])
def test_a_circuit_comes_back_whole(variety, variant, tmp_path):
    path = circuit(variety).export(tmp_path / "new" / "graph.json", format=variant)
    assert same(pellucid.read_circuit(path), circuit(variety))
    assert same(pellucid.read_circuit(path, model=model(variety)), circuit(variety))
    assert [p.name for p in path.parent.iterdir()] == ["graph.json"]


def test_how_the_size_was_chosen_comes_back_too(tmp_path):
    found = pellucid.discover_edges(model("rms"), PAIR, insist=True, target=0.5, budget=2000)
    assert len(found.steps) == 2
    again = pellucid.read_circuit(found.export(tmp_path / "g.json", format="eap-ig"))
    assert same(again, found)


@pytest.mark.parametrize("variety", ["rms", "parallel"])
def test_names_and_edges_are_those_of_eap_ig(variety, tmp_path):
    found = circuit(variety)
    body = json.loads(found.export(tmp_path / "g.json", format="eap-ig").read_text())
    assert edges_by_hand(body) == set(found.names)
    assert len(body["edges"]) == int(found.exists.sum())
    assert body["cfg"] == {
        "n_layers": 2, "n_heads": 4, "parallel_attn_mlp": variety == "parallel", "d_model": 16,
    }  # fmt: skip
    senders = {u for u, _ in edges_by_hand(body)}
    flagged = {n for n, value in body["nodes"].items() if value["in_graph"]}
    assert len(flagged) == len(senders) + 1
    assert "logits" in flagged


def test_scores_that_were_not_taken_stay_so(tmp_path):
    scores = circuit("rms").scores.clone()
    scores[0, 3] = float("nan")
    found = replace(circuit("rms"), scores=scores)
    for variant in ("eap-ig", "eap-ig-flat"):
        path = found.export(tmp_path / f"{variant}.json", format=variant)
        assert same(pellucid.read_circuit(path), found)
    assert json.loads(path.read_text())["edges"]["input->a0.h3<q>"]["score"] is None


def test_a_shared_key_head_becomes_an_edge_into_each_of_its_heads(tmp_path):
    found = circuit("grouped")
    shared = next((u, v) for u, v in found.edges() if v.kind in ("k", "v"))
    body = json.loads(found.export(tmp_path / "g.json", format="eap-ig").read_text())
    sender, slot = shared
    name = {"embed": "input", "mlp": f"m{sender.layer}"}.get(
        sender.kind, f"a{sender.layer}.h{sender.head}"
    )
    parts = [
        body["edges"][f"{name}->a{slot.layer}.h{head}<{slot.kind}>"]
        for head in (2 * slot.head, 2 * slot.head + 1)
    ]
    assert all(part["in_graph"] for part in parts)
    score = found.scores[found.senders.index(sender), found.slots.index(slot)]
    assert sum(part["score"] for part in parts) == pytest.approx(float(score), rel=1e-12)
    assert body["cfg"]["n_key_value_heads"] == 2


def disagreeing(tmp_path):
    """A graph in which two heads that both send share a key head, and one alone has its edge."""
    body = json.loads(circuit("grouped").export(tmp_path / "g.json", format="eap-ig").read_text())
    for edge in ("a0.h0->logits", "a0.h1->logits", "input->a0.h0<k>"):
        body["edges"][edge]["in_graph"] = True
    body["edges"]["input->a0.h1<k>"]["in_graph"] = False
    return body


def write(tmp_path, body):
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(body))
    return path


def test_heads_of_one_group_that_disagree_are_refused(tmp_path):
    path = write(tmp_path, disagreeing(tmp_path))
    message = r"changed\.json.*input->a0\.h0<k> in the graph and input->a0\.h1<k> not.*share one"
    with pytest.raises(ResultFileError, match=message):
        pellucid.read_circuit(path)


def test_a_head_that_sends_nothing_has_no_say_in_its_group(tmp_path):
    body = disagreeing(tmp_path)
    for edge, value in body["edges"].items():
        if edge.startswith("a0.h1->"):
            value["in_graph"] = False
    found = pellucid.read_circuit(write(tmp_path, body))
    assert ("embed", "L0KV0.k") in found.names


def test_a_graph_without_group_sizes_takes_them_from_the_model(tmp_path):
    body = json.loads(circuit("grouped").export(tmp_path / "g.json", format="eap-ig").read_text())
    del body["cfg"]["n_key_value_heads"]
    path = write(tmp_path, body)
    assert same(pellucid.read_circuit(path, model=model("grouped")), circuit("grouped"))
    assert len(pellucid.read_circuit(path).slots) > len(circuit("grouped").slots)


def test_the_circuit_read_measures_as_the_one_written(tmp_path):
    from pellucid.circuit.edges.measure import EdgeMeasure
    from pellucid.run.setup import setup_of

    opened = model("grouped")
    path = circuit("grouped").export(tmp_path / "g.json", format="eap-ig")
    found = pellucid.read_circuit(path, model=opened)
    measure = EdgeMeasure(setup_of(opened, PAIR))
    (fraction,) = measure.fraction([found.kept])
    assert fraction == pytest.approx(circuit("grouped").sufficiency, rel=1e-12)


@pytest.mark.parametrize("task", sorted(PUBLISHED))
def test_published_circuits_of_gpt2_lose_nothing(task, tmp_path):
    path = DATA / "circuits" / f"{task}_gpt2_canonical_circuit.json"
    if not path.is_file():
        pytest.skip("the published circuits are not here (PELLUCID_SHARED says where to look)")
    found = pellucid.read_circuit(path)
    body = json.loads(path.read_text())
    assert int(found.exists.sum()) == 32_491
    assert len(found) == PUBLISHED[task]
    assert set(found.names) == edges_by_hand(body)
    written = json.loads(found.export(tmp_path / "g.json", format="eap-ig").read_text())
    del written["pellucid"]
    assert json.dumps(written) == json.dumps(body)


def changed(body, path, value):
    """``body`` with one place set, or taken out."""
    *way, last = path
    part = body
    for step in way:
        part = part[step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return body


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("cfg",), ..., "no cfg"),
        (("cfg",), [1], "cfg should be an object"),
        (("cfg", "n_layers"), "two", r"cfg\.n_layers should be a number"),
        (("cfg", "n_layers"), 10**9, r"nodes has \d+ entries"),
        (("cfg", "parallel_attn_mlp"), None, r"cfg\.parallel_attn_mlp"),
        (("cfg", "d_model"), "wide", "d_model"),
        (("cfg", "n_key_value_heads"), 3, "cannot share 3"),
        (("nodes", "a0.h0"), "yes", r"nodes\['a0.h0'\] should say true or false"),
        (("nodes", "a0.h0"), {"in_graph": True, "neurons": [True]}, "neurons"),
        (("edges", "a0.h0->m0"), ..., r"lacks 1 that it has \(a0.h0->m0\)"),
        (("edges", "m0->a0.h0<q>"), {}, r"has 1 that .* has not \(m0->a0.h0<q>\)"),
        (("edges", "a0.h0->m0"), 0.5, r"edges\['a0.h0->m0'\] should be an object"),
        (("edges", "a0.h0->m0", "score"), "big", "score 'big'"),
        (("edges", "a0.h0->m0", "score"), 10**400, "too large"),
        (("edges", "a0.h0->m0", "in_graph"), 1, "in_graph 1"),
        (("pellucid", "passes"), {"steps": 1}, "steps"),
        (("pellucid", "steps"), [{"name": "guessed"}], "steps|missing|argument"),
        (("pellucid", "minimal"), "maybe", r"EdgeCircuit\.minimal"),
    ],
)
def test_a_bad_file_is_named_with_its_field(place, value, message, tmp_path):
    body = json.loads(circuit("rms").export(tmp_path / "g.json", format="eap-ig").read_text())
    path = write(tmp_path, changed(body, place, value))
    with pytest.raises(ResultFileError, match=rf"changed\.json.*{message}"):
        pellucid.read_circuit(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"nodes": [], "links": []}', "[" * 9999])
def test_what_is_no_graph_is_refused(text, tmp_path):
    path = tmp_path / "changed.json"
    path.write_text(text)
    with pytest.raises(ResultFileError, match=r"changed\.json"):
        pellucid.read_circuit(path)
    with pytest.raises(ResultFileError, match="absent"):
        pellucid.read_circuit(tmp_path / "absent")


def test_another_models_graph_is_refused(tmp_path):
    path = circuit("rms").export(tmp_path / "g.json", format="eap-ig")
    with pytest.raises(ResultFileError, match=r"2 layers of 4 heads.*3 layers of 4 heads"):
        pellucid.read_circuit(path, model=model("grouped"))


def test_a_model_that_the_format_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ResultFileError, match="an MLP in every layer"):
        circuit("attention-only").export(tmp_path / "g.json", format="eap-ig")
    assert not list(tmp_path.iterdir())


def test_flags_of_nodes_that_differ_from_the_edges_are_noted(tmp_path):
    body = json.loads(circuit("rms").export(tmp_path / "g.json", format="eap-ig-flat").read_text())
    del body["pellucid"]
    body["nodes"] = dict.fromkeys(body["nodes"], True)
    found = pellucid.read_circuit(write(tmp_path, body))
    assert torch.equal(found.kept, circuit("rms").kept)
    assert "nodes differ from its edges" in found.note
