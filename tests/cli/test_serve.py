"""`pellucid app`: what is refused before a model is opened, and who gets in once it serves."""

import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from pellucid.cli.main import app
from tests.app.serving import served

pytestmark = pytest.mark.enable_socket


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--listen", "256.0.0.1"], "--listen"),
        (["--listen", "no such address"], "--listen"),
        (["--token", "short"], "At least 16 characters"),
    ],
)
def test_what_cannot_be_served_is_said_before_a_model_opens(options, said):
    found = CliRunner().invoke(app, ["app", "--no-browser", "--model", "/nowhere", *options])
    assert found.exit_code == 2
    assert said in found.stderr


def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        found = CliRunner().invoke(app, ["app", "--no-browser", "--port", port])
    assert found.exit_code == 2
    assert port in found.stderr


def test_the_token_of_the_environment_opens_it(random_gpt2, monkeypatch):
    monkeypatch.setenv("PELLUCID_TOKEN", "a token that was given")
    with served("--model", str(random_gpt2)) as (address, _):
        assert urlsplit(address).query == "token=a%20token%20that%20was%20given"
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert browser.open(address).status == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address.replace("given", "guessed"))
