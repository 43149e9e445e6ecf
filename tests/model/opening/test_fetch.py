"""A model is fetched from a hub, and opens afterwards without one."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from pellucid import ModelNotFoundError
from pellucid.model.opening.fetch import fetch, weights_among
from pellucid.model.opening.sources import identify_name

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


@pytest.fixture
def hub(random_gpt2):
    """The address of a server that answers as the Hugging Face hub does, and what it was asked."""
    files = {file.name: file.read_bytes() for file in random_gpt2.iterdir()}
    files |= {"pytorch_model.bin": b"a copy", "onnx/model.onnx": b"another"}
    told = {"sha": COMMIT, "id": "tests/tiny", "siblings": [{"rfilename": name} for name in files]}
    tree = [
        {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        for name, data in files.items()
    ]
    asked = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            place = self.path.partition("?")[0]
            if place.startswith("/api/models/tests/tiny"):
                self.answer(json.dumps(tree if "/tree/" in place else told).encode())
            elif place.startswith("/tests/tiny/resolve/"):
                name = place.removeprefix("/tests/tiny/resolve/").partition("/")[2]
                if name in files and self.command == "GET":
                    asked.append(name)
                self.answer(files.get(name))
            else:
                self.answer(None)

        do_HEAD = do_GET

        def answer(self, data: bytes | None):
            self.send_response(404 if data is None else 200)
            body = data or b""
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if data is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.enable_socket
@pytest.mark.parametrize("first", ["fetch", "describe"])
def test_what_was_fetched_or_opened_once_opens_without_a_network(hub, first, tmp_path):
    address, asked = hub
    here = {**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": address}

    def pellucid(*words):
        command = [sys.executable, "-m", "pellucid", *words]
        return subprocess.run(command, env=here, capture_output=True, text=True, timeout=120)

    done = pellucid("models", first, "tests/tiny")
    assert done.returncode == 0, done.stderr
    assert first != "fetch" or done.stdout.startswith("tests/tiny is here, 0.00 GB: ")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(asked)
    assert not {"pytorch_model.bin", "onnx/model.onnx"} & set(asked)
    fetched = len(asked)
    opened = pellucid("models", "describe", "tests/tiny", "--offline", "--json")
    assert opened.returncode == 0, opened.stderr
    assert json.loads(opened.stdout)["layers"] == 3
    assert len(asked) == fetched


def test_copies_of_the_weights_are_left_where_they_are():
    safe = "*model*.safetensors"
    assert weights_among(["model-00001-of-2.safetensors", "pytorch_model.bin"]) == safe
    assert weights_among(["adapter_model.safetensors", "adapter_config.json"]) == safe
    other = ["pytorch_model.bin", "onnx/model.safetensors", "consolidated.safetensors"]
    assert weights_among(other) == "*model*.bin"


def test_a_folder_is_where_it_is(random_gpt2):
    assert fetch(str(random_gpt2)) == random_gpt2


@pytest.mark.parametrize(
    "name",
    ["gpt2", "a/b", "EleutherAI/pythia-70m", "9" * 96, "9" * 97, "x/" + "y" * 97, "a--b", "a..b",
     "a.git", "a-", "a/b."],
)  # fmt: skip
def test_a_hub_name_is_what_the_hub_takes(name):
    try:
        validate_repo_id(name)
    except HFValidationError:
        with pytest.raises(ModelNotFoundError, match="does not read like a hub name"):
            identify_name(name)
    else:
        assert identify_name(name).name == name
