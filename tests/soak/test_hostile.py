"""A thousand wrong values for every public call, wrong words for commands, five minutes of HTTP.

The short forms are in ``tests/hostile`` and ``tests/app/test_http.py``.
"""

import json
import random
import resource
import time

import pytest
from starlette.testclient import TestClient

from pellucid.app.guard import HEADER
from pellucid.app.requests import NEEDS, Asked
from pellucid.app.server import application
from tests.hostile.commands import WORDS, commands, demand_ends
from tests.hostile.entries import ENTRIES
from tests.hostile.trying import demand_refused
from tests.models.every_call import state_of

pytestmark = pytest.mark.soak
INPUTS = 1000
"""Values for each public call, shared by its parameters."""
WRONG_WORDS = 40
"""For each command, most of which open or run the model when the words turn out right."""
MINUTES = 5
GROWTH = 64 << 20
"""Bytes by which the server may have grown over the second half of the time."""
COMMANDS = dict(commands())


@pytest.mark.parametrize("name", ENTRIES)
def test_a_thousand_wrong_values(name, attacked, in_a_folder):
    state = state_of(attacked.module)
    demand_refused(name, attacked, values=-(-INPUTS // len(ENTRIES[name].wrong)))
    assert state_of(attacked.module) == state


@pytest.mark.parametrize("name", WORDS)
def test_wrong_words(name, shell, monkeypatch):
    demand_ends(name, COMMANDS[name], WRONG_WORDS, monkeypatch)


def anything(rng: random.Random, depth: int = 0) -> object:
    """A JSON value of any kind."""
    kinds = [None, True, rng.randint(-9, 9), rng.random() * 1e300, "\u2028\x00\ud800", " Mary", ""]
    if depth < 3 and rng.random() < 0.4:
        inner = [anything(rng, depth + 1) for _ in range(rng.randint(0, 4))]
        return (
            inner
            if rng.random() < 0.5
            else dict(zip(Asked.__dataclass_fields__, inner, strict=False))
        )
    return rng.choice(kinds)


def request(rng: random.Random) -> bytes:
    """What somebody sends: a question with fields replaced, JSON of any kind, or bytes."""
    if rng.random() < 0.1:
        return rng.choice([rng.randbytes(40), b"[" * 50_000, b"{" * 500, b"1e999", b"x" * 400_000])
    kind = rng.choice(list(NEEDS))
    body = {"kind": kind, "prompt": "When Mary and John", "answer": " Mary", "foil": " John"}
    body |= {"corrupted": "When Mary and Mary", "nodes": ["L0H1"], "groups": [["L0H1"]]}
    body = {name: body[name] for name in ("kind", *NEEDS[kind]) if name in body}
    for name in rng.sample(list(Asked.__dataclass_fields__), rng.randint(1, 3)):
        body[name] = anything(rng)
    return json.dumps(body).encode()


def most_memory() -> int:
    """Bytes that this process has held at the most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # KiB on Linux


def test_five_minutes_of_requests(attacked, caplog):
    client = TestClient(
        application(attacked, token="secret"),
        base_url="http://127.0.0.1:8000",
        headers={HEADER: "secret"},
    )
    rng, began, sent, held = random.Random(0), time.monotonic(), 0, 0
    while (passed := time.monotonic() - began) < 60 * MINUTES:
        if not held and passed > 30 * MINUTES:
            held = most_memory()
        way = rng.choice(["POST", "POST", "POST", "GET", "PUT"])
        path = rng.choice(["/api/jobs", "/api/jobs", "/api/files", "/", "/api/jobs/1/cancel"])
        answer = client.request(way, path, content=request(rng))
        sent += 1
        assert answer.status_code < 500, answer.text
        if way == "POST" and path in ("/api/jobs", "/api/files") and answer.status_code != 202:
            assert answer.json()["message"]
        if answer.status_code == 202 and "id" in answer.json():
            client.get(f"/api/jobs/{answer.json()['id']}/events")
    grown = most_memory() - held
    print(f"{sent} requests, {held >> 20} MiB at half time, {grown >> 20} MiB more at the end")
    assert grown < GROWTH
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
