"""`pellucid app`: opens a model and serves its page on this machine only."""

import secrets
import socket
import webbrowser
from typing import Annotated

import typer

from pellucid.cli.expand import expanded, option
from pellucid.cli.options import NameOptions, WeightOptions
from pellucid.cli.terminal import tell

HOST = "127.0.0.1"


@expanded
def serve(
    name: NameOptions,
    port: Annotated[int, option("0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, option("Open a page.", "--browser/--no-browser")] = True,
    *,
    weights: WeightOptions,
) -> None:
    """Explore a model in the browser. Prints the page's address, which holds its token."""
    listening = bound(port)
    opened = weights.open(name.model, name.tokenizer)
    import uvicorn

    from pellucid.app.server import application

    token = secrets.token_urlsafe(24)
    address = f"http://{HOST}:{listening.getsockname()[1]}/?token={token}"
    settings = uvicorn.Config(
        application(opened, token=token), log_level="warning", timeout_graceful_shutdown=1
    )
    tell(address)
    tell("Open this address in a browser on this machine. Ctrl+C stops.", err=True)
    if browser:
        webbrowser.open(address)
    uvicorn.Server(settings).run(sockets=[listening])


def bound(port: int) -> socket.socket:
    """A socket that listens on this machine only.

    **Raises** ``typer.BadParameter`` (exit code 2) when the port is taken or not allowed.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen()
    except OSError as error:
        found.close()
        raise typer.BadParameter(
            f"{port}: {error.strerror}. Choose another, or leave it out for a free one.",
            param_hint="--port",
        ) from error
    return found
