"""The app on a small model, asked directly."""

import json

import pytest
from starlette.testclient import TestClient

from pellucid import Model, load
from pellucid.app.guard import HEADER
from pellucid.app.server import application

TOKEN = "secret"


@pytest.fixture(scope="module")
def small(random_gpt2) -> Model:
    return load(str(random_gpt2))


@pytest.fixture(scope="module")
def client(small) -> TestClient:
    return TestClient(
        application(small, token=TOKEN),
        base_url="http://127.0.0.1:8000",
        headers={HEADER: TOKEN},
    )


@pytest.fixture(scope="module")
def ask(client):
    """Asks a question and gives its last event."""

    def asking(**question) -> dict:
        added = client.post("/api/jobs", json=question)
        assert added.status_code == 202, added.text
        told = client.get(f"/api/jobs/{added.json()['id']}/events")
        assert told.headers["content-type"].startswith("text/event-stream")
        return json.loads(told.text.strip().split("\n\n")[-1].removeprefix("data: "))

    return asking
