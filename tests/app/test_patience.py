"""What a server meets that is not a page: silence, halves, crowds, and those who leave."""

import asyncio
import gc
import json
import socket
import subprocess
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from starlette.requests import Request

from pellucid.app.guard import HEADER
from pellucid.app.jobs import LONGEST_QUEUE, QueueFullError, Worker
from pellucid.app.patience import PatientProtocol, body_of
from pellucid.app.server import application
from tests.app.conftest import TOKEN
from tests.app.serving import served

GONE = {"type": "http.disconnect"}
HOST = b"Host: 127.0.0.1\r\n"


class Hasty(PatientProtocol):
    head_seconds = 0.3


@pytest.fixture
def port(small):
    """A real server that waits for a head no longer than a third of a second."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(application(small, token=TOKEN), http=Hasty, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    while piece := connection.recv(1 << 16):
        found += piece
    return found


@pytest.mark.enable_socket
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: 127", b"\x16\x03\x01"])
def test_who_does_not_finish_a_request_is_left(port, said):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(said)
        assert b"200 OK" not in all_of(connection)


@pytest.mark.enable_socket
def test_a_second_request_must_be_finished_too(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"403 Forbidden" in connection.recv(1 << 16)
        connection.sendall(b"GET /api")
        all_of(connection)


@pytest.mark.enable_socket
def test_an_answer_may_take_longer_than_a_head(port):
    asked, headers = json.dumps({"kind": "roles"}), {HEADER: TOKEN}
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/api/jobs", body=asked, headers=headers)
    number = json.loads(connection.getresponse().read())["id"]
    time.sleep(0.4)  # longer than a head may take
    connection.request("GET", f"/api/jobs/{number}/events", headers=headers)
    assert b'"event": "' in connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("comes", ["nothing", "half", "the end of the connection"])
def test_a_body_that_does_not_come_is_given_up(comes):
    told = {"type": "http.request", "body": b'{"kind"', "more_body": True}
    parts = {"nothing": [], "half": [told], "the end of the connection": [told, GONE]}[comes]

    async def receive():
        return parts.pop(0) if parts else await asyncio.sleep(60)

    scope = {"type": "http", "method": "POST", "path": "/api/jobs", "headers": []}
    with ThreadPoolExecutor(1) as apart:  # a browser's loop may run in this thread
        found = apart.submit(asyncio.run, body_of(Request(scope, receive), seconds=0.1))
        assert found.result(timeout=10) is None


def test_a_crowd_is_told_to_come_again():
    worker, go, begun = Worker(), threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        go.wait(20)

    worker.add(first)
    assert begun.wait(20)
    for _ in range(LONGEST_QUEUE):
        worker.add(lambda: None)
    with pytest.raises(QueueFullError, match="50 questions wait"):
        worker.add(lambda: None)
    go.set()


def test_a_full_queue_is_said_with_429(client, monkeypatch):
    def full(self, *arguments, **options):
        raise QueueFullError("50 questions wait already.")

    monkeypatch.setattr(Worker, "add", full)
    answer = client.post("/api/jobs", json={"kind": "next", "prompt": "a"})
    assert answer.status_code == 429
    assert answer.json() == {"message": "50 questions wait already."}


def test_what_was_asked_is_dropped_when_it_is_answered():
    class Large:
        pass

    asked = Large()
    gone = weakref.ref(asked)
    worker = Worker()
    job = worker.add(lambda held=asked: 1 if held else 0)
    del asked
    while not job.over:
        time.sleep(0.01)
    gc.collect()
    assert gone() is None
    assert job.events[-1]["result"] == 1


@pytest.mark.enable_socket
def test_nothing_is_said_on_the_terminal_when_somebody_leaves(random_gpt2):
    with served("--model", str(random_gpt2), stderr=subprocess.PIPE) as (address, process):
        parts = urlsplit(address)
        token = f"{HEADER}: {parse_qs(parts.query)['token'][0]}\r\n".encode()
        heads = [
            b"POST /api/jobs HTTP/1.1\r\nContent-Length: 90\r\n" + HOST + token + b'\r\n{"kind"',
            b"GET / HTTP/1.1\r\n" + HOST + token + b"\r\n",
            b"GET /api/jobs/1/events HTTP/1.1\r\n" + HOST + token + b"\r\n",
            b"no request at all\r\n\r\n",
        ]
        for head in heads:
            with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
                connection.sendall(head)
        time.sleep(0.5)
        process.terminate()
        with process.stderr as terminal:
            said = terminal.read()
    assert "Traceback" not in said
    assert "Invalid" not in said
