"""The interface that the page speaks: what it answers, to whom, and what it makes of bad input."""

import json
import logging
import time
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import pellucid
from pellucid import (
    Contrast,
    Edit,
    Model,
    PellucidError,
    Site,
    attribute_edges,
    patch,
    patch_edges,
    run_edited,
)
from pellucid.app import jobs, part, wiring
from pellucid.app.guard import HEADER
from pellucid.app.handlers import sweep
from pellucid.app.jobs import KEPT, Job, Worker
from pellucid.app.requests import LONGEST, Asked, read_asked
from pellucid.app.server import application
from pellucid.callbacks import Callback, watching
from pellucid.circuit.nodes.circuit import resolve_nodes
from pellucid.lens.heads.roles import head_roles
from pellucid.passes import counter
from pellucid.report.document import document
from pellucid.results.checksum import signed
from pellucid.results.passes import Passes
from pellucid.run.prompts import prompt_tokens, run_tapped

PROMPT = "When Mary and John went to the store"
PAIR = {"prompt": PROMPT, "answer": " Mary", "foil": " John"}


@pytest.mark.parametrize(
    "headers",
    [
        {HEADER: "wrong"},
        {HEADER: ""},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8000"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9"},
        {"origin": "null"},
    ],
)
def test_strangers_are_refused(client, headers):
    for way, path in (("GET", "/"), ("POST", "/api/jobs"), ("GET", "/nowhere")):
        answer = client.request(way, path, headers=headers)
        assert answer.status_code == 403
        assert "pellucid-data" not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "explorer.example.org", "origin": "https://explorer.example.org"}, 200),
        ({"host": "explorer.example.org"}, 200),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, 200),
        ({"host": "localhost:8000", "origin": "https://localhost:8000"}, 403),
        ({"host": "explorer.example.org", "origin": "https://evil.example"}, 403),
        ({"host": "other.example.org"}, 403),
    ],
)
def test_behind_a_proxy_only_the_names_given_are_answered(small, headers, status):
    app = application(small, token="secret", names=["explorer.example.org"])
    assert TestClient(app).get("/?token=secret", headers=headers).status_code == status


def test_the_address_with_the_token_opens_the_page(client):
    bare = TestClient(client.app, base_url="http://127.0.0.1:8000")
    page = bare.get("/?token=secret")
    assert page.status_code == 200
    rules = page.headers["content-security-policy"]
    assert rules.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in rules
    assert "unsafe" not in rules
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "secret" not in page.text
    assert page.history[0].status_code == 303
    assert page.url.query == b""
    assert bare.get("/").status_code == 200  # loaded again
    assert "httponly" in page.history[0].headers["set-cookie"].lower()
    other = TestClient(client.app, base_url="http://127.0.0.1:8001", cookies=bare.cookies)
    assert other.get("/").status_code == 403  # another app on this machine


def test_a_token_may_be_in_any_alphabet(small):
    app = application(small, token="ключ; достаточно длинный")
    bare = TestClient(app, base_url="http://127.0.0.1:8000")
    assert bare.get("/", params={"token": "ключ; достаточно длинный"}).status_code == 200
    assert bare.get("/").status_code == 200


@pytest.mark.parametrize(
    "cookie", ["pellucid-8000=wrong", "pellucid-8000", '=";;,\x01', "a" * 5000]
)
def test_a_cookie_that_is_none_of_ours_opens_nothing(client, cookie):
    bare = TestClient(client.app, base_url="http://127.0.0.1:8000")
    assert bare.get("/", headers={"cookie": cookie}).status_code == 403


def test_its_own_page_may_ask(client):
    answer = client.post(
        "/api/jobs",
        json={"kind": "next", "prompt": "a"},
        headers={"origin": "http://127.0.0.1:8000"},
    )
    assert answer.status_code == 202


def test_what_comes_next_is_what_the_model_says(ask, small):
    found = ask(kind="next", prompt=PROMPT)["result"]
    assert "".join(found["tokens"]) == PROMPT
    probability = run_edited(small, PROMPT, [])[0, -1].softmax(-1)
    for one in found["candidates"]:
        assert one["probability"] == pytest.approx(float(probability[one["id"]]), abs=1e-6)
    assert found["candidates"][0]["id"] == int(probability.argmax())


@pytest.fixture(scope="module")
def difference(small, ask):
    """The logit difference with edits, through the library instead of the app."""
    answer, foil = (ask(kind="token", answer=PAIR[n])["result"]["id"] for n in ("answer", "foil"))

    def edited(*edits: Edit) -> float:
        logits = run_edited(small, PROMPT, edits)[0, -1]
        return float(logits[answer] - logits[foil])

    return edited


def test_turning_off_is_the_edit_that_it_says(ask, difference):
    found = ask(kind="off", **PAIR, nodes=["L1H2", "M2"], seed=4)["result"]

    def without(head: str, mlp: str) -> float:
        return difference(
            Edit(site=Site("z", int(head[1])), heads=int(head[3])),
            Edit(site=Site("mlp_out", int(mlp[1]))),
        )

    head, mlp = found["drawn"]
    assert head.startswith("L1H")
    assert head != "L1H2"
    assert mlp in ("M0", "M1")
    assert found["plain"]["difference"] == pytest.approx(difference(), abs=1e-5)
    assert found["off"]["difference"] == pytest.approx(without("L1H2", "M2"), abs=1e-5)
    assert found["random"]["difference"] == pytest.approx(without(head, mlp), abs=1e-5)


def test_the_mean_is_that_of_the_prompt(ask, difference, small):
    site, seen = Site("z", 1), {}
    tokens = prompt_tokens(small, PROMPT)
    run_tapped(small, tokens, {site: lambda z: seen.setdefault("z", z)})
    edit = Edit(site=site, heads=2, value=seen["z"][0, :, 2].mean(0))
    found = ask(kind="off", **PAIR, nodes=["L1H2"], instead="mean")["result"]
    assert found["off"]["difference"] == pytest.approx(difference(edit), abs=1e-5)


def tensor_of(encoded: dict) -> np.ndarray:
    values = np.frombuffer(b64decode(encoded["base64"]), encoded["dtype"])
    return values.reshape(encoded["shape"])


def test_the_sweep_measures_every_part_as_turning_it_off_does(ask):
    found = ask(kind="sweep", **PAIR)["result"]
    values = tensor_of(found["effect"])
    effect = dict(zip([one["name"] for one in found["nodes"]], values, strict=True))
    assert len(effect) == 3 * 4 + 3
    for name in ("L0H0", "L2H3", "M1"):
        off = ask(kind="off", **PAIR, nodes=[name])["result"]
        fall = off["plain"]["difference"] - off["off"]["difference"]
        assert effect[name] == pytest.approx(fall, abs=1e-5)


@pytest.mark.parametrize("measured", [0, 6])
def test_a_cancelled_sweep_gives_what_it_has_measured(ask, small, measured):
    whole = tensor_of(ask(kind="sweep", **PAIR)["result"]["effect"])
    job = Job(id="1", work=lambda: sweep(small, read_asked({"kind": "sweep", **PAIR})), forwards=0)

    class Stopping(Callback):
        def on_step(self, progress):
            if (
                progress.depth == 0 and progress.done == measured + 2
            ):  # plain, and the one that is stopped
                job.stop.set()

    with watching(Stopping()):
        jobs._run(job)
    assert job.state == "cancelled"
    found = job.events[-1]["result"]
    if not measured:
        assert found is None
        return
    effect = tensor_of(found["effect"])
    assert effect[:measured].tolist() == whole[:measured].tolist()
    assert np.isnan(effect[measured:]).all()


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ({"kind": "lens", **PAIR}, "LogitLens"),
        ({"kind": "direct", **PAIR}, "DirectEffects"),
        ({"kind": "attention", "prompt": PROMPT, "nodes": ["L1H1"]}, "AttentionPatterns"),
    ],
)
def test_lenses_come_as_documents(ask, question, kind):
    event = ask(**question)
    assert event["event"] == "done"
    assert event["result"]["type"] == kind


TWO = {**PAIR, "corrupted": "When John and Mary went to the store"}


def test_two_prompts_stand_side_by_side(ask, difference):
    found = ask(kind="pair", **TWO)["result"]
    assert "".join(found["corrupted"]["tokens"]) == TWO["corrupted"]
    assert found["clean"]["difference"] == pytest.approx(difference(), abs=1e-5)


@pytest.mark.parametrize("direction", ["noising", "denoising"])
@pytest.mark.parametrize("sites", ["resid", "heads"])
def test_a_patch_that_is_looked_at_has_the_effect_on_the_map(ask, direction, sites):
    everywhere = ask(kind="patch", **TWO, direction=direction, sites=sites)["result"]["fields"]
    effect = tensor_of(everywhere["per_example"])[0]
    assert everywhere["positions"] == ([1, 2, 3, 4, 5, 6, 7] if sites == "resid" else None)
    for row, place in ((0, 0), (-1, -1), (2 if sites == "resid" else 0, 1)):
        what = everywhere["places"][place]["fields"]
        where = {"nodes": [what["name"]]}
        if sites == "resid":
            where = {"layer": what["layer"], "position": everywhere["positions"][row]}
        here = ask(kind="patched", **TWO, direction=direction, **where)["result"]
        moved = here["patched"]["difference"] - here["base"]["difference"]
        sign = -1 if direction == "noising" else 1
        assert sign * moved == pytest.approx(effect[row, place], abs=1e-4)


def contrast_of(ask) -> Contrast:
    ids = (ask(kind="token", answer=PAIR[n])["result"]["id"] for n in ("answer", "foil"))
    return Contrast(TWO["prompt"], TWO["corrupted"], *ids)


def test_the_edges_of_a_circuit_are_those_that_patching_measures(ask, small):
    nodes = ["L0H1", "M1", "L2H3"]
    found = ask(kind="edges", **TWO, nodes=nodes)["result"]
    slots = {name: [name] if name[0] == "M" else [f"{name}.q"] for name in nodes}
    for head in ("L0H1", "L2H3"):
        slots[head] += [head.replace("H", "KV") + part for part in (".k", ".v")]
    senders = ["embed", *nodes]
    order = {"embed": -1, **{name: int(name[1]) for name in nodes}, "logits": 9}
    expected = {
        (sender, slot): name
        for sender in senders
        for name, read in {**slots, "logits": ["logits"]}.items()
        for slot in read
        if order[sender] < order[name]
    }
    told = {(one["sender"], one["slot"]): one for one in found["edges"]}
    assert {edge: one["into"] for edge, one in told.items()} == {
        edge: [name] for edge, name in expected.items()
    }
    assert found["among"] == len(expected)
    measured = patch_edges(small, contrast_of(ask), edges=list(expected)).to_frame()
    for row in measured.dropna().itertuples():
        if (row.sender, row.slot) in told:
            assert told[row.sender, row.slot]["effect"] == pytest.approx(row.effect, abs=1e-5)


def test_of_many_edges_those_with_the_largest_estimates_are_measured(ask, small, monkeypatch):
    monkeypatch.setattr(wiring, "MOST_EDGES", 5)
    nodes = ["L0H1", "M1", "L2H3"]
    found = ask(kind="edges", **TWO, nodes=nodes)["result"]
    told = [(one["sender"], one["slot"]) for one in found["edges"]]
    assert found["among"] > len(told) == 5
    there = wiring.between(small, resolve_nodes(small, nodes))
    estimates = attribute_edges(small, contrast_of(ask), method="eap").matrix.abs()[there]
    frame = attribute_edges(small, contrast_of(ask), method="eap").to_frame()
    chosen = frame.set_index(["sender", "slot"]).estimate.abs()[told]
    assert chosen.min() == pytest.approx(float(estimates.sort(descending=True).values[4]))


def test_a_group_has_the_effect_of_its_nodes_replaced_at_once(ask, small):
    groups = [["L0H1", "M1"], ["L2H3"]]
    found = ask(kind="together", **TWO, groups=groups)["result"]["effect"]
    contrast = contrast_of(ask)
    alone = patch(small, contrast, sites="nodes", only=["L2H3"]).effect[0]
    assert found[1] == pytest.approx(float(alone), abs=1e-5)
    assert found[0] == pytest.approx(replaced_at_once(small, contrast), abs=1e-5)


def replaced_at_once(model: Model, contrast: Contrast) -> float:
    """What L0H1 and M1 cost when they have their corrupted values, with plain taps."""
    head, mlp = Site("z", 0), Site("mlp_out", 1)
    seen = {}
    clean, corrupted = (prompt_tokens(model, text) for text in (contrast.clean, contrast.corrupted))
    keep = {site: lambda value, site=site: seen.setdefault(site, value) for site in (head, mlp)}
    run_tapped(model, corrupted, keep)

    def put(value):
        value = value.clone()
        value[:, :, 1] = seen[head][:, :, 1]
        return value

    logits = [
        run_tapped(model, clean, taps)[0, -1]
        for taps in ({}, {head: put, mlp: lambda _: seen[mlp]})
    ]
    whole, without = (row[contrast.answer] - row[contrast.foil] for row in logits)
    return float(whole - without)


def test_the_circuit_is_an_analysis(ask):
    event = ask(kind="circuit", **PAIR)
    assert (event["event"], event["result"]["type"]) == ("done", "Analysis")
    assert event["result"]["story"][0]["title"] == "Conclusion"


def test_two_prompts_through_the_lens_part_where_the_library_says(ask, small):
    answer, foil = (ask(kind="token", answer=PAIR[n])["result"]["id"] for n in ("answer", "foil"))
    found = ask(kind="lenses", **TWO)["result"]
    lens = pellucid.logit_lens(
        small, PROMPT, against=TWO["corrupted"], targets=[answer, foil], positions=-1
    )
    assert found["lens"]["fields"]["targets"] == [" Mary", " John"]
    ranks = tensor_of(found["lens"]["fields"]["against"]["fields"]["target_rank"])
    assert ranks.tolist() == lens.against.target_rank.tolist()
    for by, name in found["parted"].items():
        point = lens.parting(by)[-1]
        assert name == (point and point.name)


def test_a_part_s_tokens_stand_by_what_it_adds_to_them(ask):
    shares = ask(kind="direct", **PAIR)["result"]["fields"]
    names = [term["fields"]["name"] for term in shares["terms"]]
    share = dict(zip(names, tensor_of(shares["per_example"])[0], strict=True))
    for name in ("L1H2", "M0"):
        found = ask(kind="writes", **PAIR, nodes=[name])["result"]
        up, down = ([one["change"] for one in found[k]] for k in ("promotes", "suppresses"))
        assert up == sorted(up, reverse=True)
        assert down == sorted(down)
        pair = {"answer": found["promotes"][0]["id"], "foil": found["suppresses"][0]["id"]}
        moved = ask(kind="direct", **{**PAIR, **pair})["result"]["fields"]
        asked = tensor_of(moved["per_example"])[0][names.index(name)]
        assert up[0] - down[0] == pytest.approx(asked, abs=1e-5)
    read = ask(kind="reads", **PAIR, nodes=["L1H2"])["result"]
    assert read["total"] == pytest.approx(share["L1H2"], abs=1e-5)
    assert sum(one["share"] for one in read["sources"]) == pytest.approx(read["total"], abs=1e-5)


def test_a_role_is_known_once_heads_were_typed(ask, small, monkeypatch):
    monkeypatch.setattr(part, "head_roles", partial(head_roles, length=12))  # it reads 32 tokens
    head = {"nodes": ["L1H2"]}
    assert ask(kind="role", **head)["result"] == {"known": False, "roles": []}
    known = part.roles_take(small, Asked(kind="roles"))
    typed = ask(kind="roles")
    assert typed["result"]["fields"]["passes"]["fields"]["forwards"] <= known
    assert part.roles_take(small, Asked(kind="roles")) == 0
    assert ask(kind="role", **head)["result"]["known"]
    assert not ask(kind="role", **head, seed=1)["result"]["known"]
    again = ask(kind="roles")
    assert again["result"] == typed["result"]
    assert again["seconds"] < 0.5 * typed["seconds"]
    fields = again["result"]["fields"]
    row = [node["fields"] for node in fields["heads"]].index(
        {"kind": "head", "layer": 1, "head": 2}
    )
    scores = dict(zip(fields["roles"], tensor_of(fields["score"])[row], strict=True))
    for one in ask(kind="role", **head)["result"]["roles"]:
        assert one["score"] == pytest.approx(scores[one["role"]], abs=1e-6)


@pytest.fixture(scope="module")
def saved(small) -> pellucid.Result:
    return pellucid.attribute(small, pellucid.Contrast(PROMPT, TWO["corrupted"], " Mary", " John"))


def test_a_saved_result_comes_back_as_its_document(ask, saved, tmp_path):
    want = json.loads(json.dumps(document(saved)))
    assert ask(kind="open", file=saved.to_json())["result"] == want
    folder = saved.save(tmp_path / "one")
    tensors = b64encode(next(folder.glob("tensors-*")).read_bytes()).decode()
    file = (folder / "result.json").read_text()
    assert ask(kind="open", file=file, tensors=tensors)["result"] == want
    assert ask(kind="open", file=file)["field"] == "file"


def test_a_saved_result_may_be_larger_than_a_question(client, saved):
    large = {"kind": "open", "file": saved.to_json() + " " * (2 << 20)}
    assert client.post("/api/jobs", json=large).status_code == 413
    assert client.post("/api/files", json=large).status_code == 202
    assert client.post("/api/files", json={"kind": "next", "prompt": "a"}).status_code == 400
    assert client.post("/api/files", content=b" " * (33 << 20)).status_code == 413


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_a_file_holds_the_server_answers(ask, damaged, caplog, data):
    """One value of a saved analysis, somewhere in it, is replaced by anything."""
    body = json.loads(damaged)
    place = body
    while True:
        inside = range(len(place)) if isinstance(place, list) else list(place)
        key = data.draw(st.sampled_from(inside))
        deeper = isinstance(place[key], dict | list) and len(place[key]) > 0
        if not deeper or data.draw(st.integers(0, 4)) == 0:
            break
        place = place[key]
    place[key] = data.draw(leaves | st.lists(leaves, max_size=2))
    with suppress(ValueError):  # numbers that are not finite have no checksum
        body = signed(body)
    with caplog.at_level(logging.ERROR, "pellucid"):
        event = ask(kind="open", file=json.dumps(body))
    assert event["event"] == "done" or event["field"] == "file"
    assert not caplog.records


@pytest.fixture(scope="module")
def damaged(small) -> str:
    contrast = pellucid.Contrast(PROMPT, TWO["corrupted"], " Mary", " John")
    return pellucid.analyze(small, contrast, insist=True, random_sets=2).to_json()


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ({"kind": "open", "file": "{}"}, "file"),
        ({"kind": "open", "file": '{"schema": 2, "type": "Model", "fields": {}}'}, "file"),
        ({"kind": "open", "file": "{}", "tensors": "\u20ac"}, "tensors"),
        ({"kind": "reads", **PAIR, "nodes": ["M0"]}, "nodes"),
        ({"kind": "writes", **PAIR, "nodes": ["embed"]}, "nodes"),
        ({"kind": "role", "nodes": ["L0H0", "L0H1"]}, "nodes"),
        ({"kind": "pair", **PAIR, "corrupted": "a"}, "corrupted"),
        ({"kind": "pair", **PAIR, "corrupted": PROMPT}, "corrupted"),
        ({"kind": "circuit", **PAIR, "corrupted": "a"}, "corrupted"),
        ({"kind": "patched", **TWO, "nodes": ["L0H0", "L0H1"]}, "nodes"),
        ({"kind": "patched", **TWO, "layer": 3}, "layer"),
        ({"kind": "patched", **TWO, "position": 8}, "position"),
        ({"kind": "next", "prompt": "a " * 40}, "prompt"),
        ({"kind": "token", "answer": " refrigerator magnets"}, "answer"),
        ({"kind": "lens", **PAIR, "foil": 10**6}, "foil"),
        ({"kind": "lens", **PAIR, "foil": " Mary"}, "foil"),
        ({"kind": "off", **PAIR, "nodes": ["L9H9"]}, "nodes"),
        ({"kind": "off", **PAIR, "nodes": ["embed"]}, "nodes"),
        ({"kind": "attention", "prompt": PROMPT, "nodes": ["M0"]}, "nodes"),
        ({"kind": "edges", **TWO, "nodes": ["L9H9"]}, "nodes"),
        ({"kind": "edges", **TWO, "corrupted": "a", "nodes": ["L0H0"]}, "corrupted"),
        ({"kind": "together", **TWO, "groups": [["L9H9"]]}, "groups"),
        ({"kind": "together", **TWO, "groups": [["embed", "L0H0"]]}, "groups"),
    ],
)
def test_what_only_the_model_can_refuse_names_its_field(ask, question, field):
    event = ask(**question)
    assert (event["event"], event["field"]) == ("failed", field)
    assert event["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "kind"),
        (b"[1]", "kind"),
        (b'{"kind": "all"}', "kind"),
        (b'{"prompt": "a"}', "kind"),
        (b'{"kind": "next"}', "prompt"),
        (b'{"kind": "next", "prompt": 3}', "prompt"),
        (b'{"kind": "next", "prompt": "\\ud800"}', "prompt"),
        (b'{"kind": "next", "prompt": "a", "colour": 1}', "colour"),
        (b'{"kind": "token", "answer": true}', "answer"),
        (b'{"kind": "token", "answer": -1}', "answer"),
        (b'{"kind": "next", "prompt": "a", "nodes": "L1H1"}', "nodes"),
        (b'{"kind": "next", "prompt": "a", "seed": 1.5}', "seed"),
        (b'{"kind": "next", "prompt": "a", "groups": ["L0H0"]}', "groups"),
        (b'{"kind": "next", "prompt": "a", "groups": [[]]}', "groups"),
        (b'{"kind": "open"}', "file"),
        (b'{"kind": "open", "file": {}}', "file"),
        (b'{"kind": "open", "file": "a", "tensors": 3}', "tensors"),
    ],
)
def test_bad_input_is_refused_at_its_field(client, body, field):
    answer = client.post("/api/jobs", content=body)
    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_what_is_too_large_is_refused(client):
    long = {"kind": "next", "prompt": "a" * (LONGEST + 1)}
    assert client.post("/api/jobs", json=long).json()["field"] == "prompt"
    assert client.post("/api/jobs", content=b" " * (2 << 20)).status_code == 413
    assert client.post("/api/jobs", content=iter([b"{}"])).status_code == 413


def test_a_job_that_is_not_there_is_not_found(client):
    assert client.get("/api/jobs/0/events").status_code == 404
    assert client.post("/api/jobs/0/cancel").status_code == 404


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = st.dictionaries(
    st.sampled_from([*Asked.__dataclass_fields__, "other"]),
    json_values
    | st.sampled_from(
        [
            "next",
            "lens",
            "off",
            "role",
            "writes",
            "reads",
            "open",
            "lenses",
            PROMPT,
            " Mary",
            "zero",
        ]
    )
    | st.just(["L1H1"]),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=bodies | json_values,
    path=st.sampled_from(["/", "/api/jobs", "/api/files", "/api/jobs/1/cancel", "/x"]),
    way=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
)
def test_whatever_is_sent_is_answered_with_success_or_blame(client, caplog, body, path, way):
    with caplog.at_level(logging.ERROR, "pellucid"):
        answer = client.request(way, path, content=json.dumps(body).encode())
        assert 200 <= answer.status_code < 300 or 400 <= answer.status_code < 500
        if answer.status_code == 202 and path in ("/api/jobs", "/api/files"):
            client.get(f"/api/jobs/{answer.json()['id']}/events")
    assert not caplog.records


def finished(worker: Worker, work, **more):
    job = worker.add(work, **more)
    while not job.over:
        time.sleep(0.001)
    return job


def test_a_job_that_is_cancelled_stops_at_its_next_forward(monkeypatch):
    monkeypatch.setattr("pellucid.callbacks.KNOWN_AFTER", 0.0)
    worker, passed = Worker(), []

    def endless():
        while True:
            passed.append(counter()(Passes(forwards=1, calls=1)))
            time.sleep(0.001)

    running = worker.add(endless, forwards=10**6)
    waiting = worker.add(lambda: passed.append("never"))
    waiting.stop.set()
    while len(running.events) < 6:
        time.sleep(0.001)
    assert running.events[-1]["left"] > 0
    running.stop.set()
    assert finished(worker, lambda: 7).events[-1]["result"] == 7
    assert [running.state, waiting.state] == ["cancelled", "cancelled"]
    assert "never" not in passed


def test_the_worker_goes_on_after_an_error(caplog):
    worker = Worker()

    def refuse():
        raise PellucidError("not today")

    def break_down():
        raise RuntimeError("a bug")

    assert finished(worker, refuse).events[-1]["message"] == "not today"
    assert finished(worker, break_down).events[-1]["message"] == "RuntimeError: a bug"
    assert "a job failed" in caplog.text
    assert finished(worker, lambda: torch.tensor(1).item()).state == "done"


def test_old_jobs_are_forgotten():
    worker = Worker()
    for _ in range(KEPT + 20):
        finished(worker, lambda: None)
    assert len(worker.jobs) <= KEPT + 1
