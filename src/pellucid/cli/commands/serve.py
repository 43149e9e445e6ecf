"""`pellucid app`: opens a model and serves its page, on this machine only unless told otherwise."""

import secrets
import socket
import webbrowser
from typing import Annotated
from urllib.parse import quote

import typer

from pellucid.cli.expand import expanded, option
from pellucid.cli.options import NameOptions, WeightOptions
from pellucid.cli.terminal import tell

HOST = "127.0.0.1"
SHORTEST_TOKEN = 16


@expanded
def serve(
    name: NameOptions,
    port: Annotated[int, option("0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, option("Open a page.", "--browser/--no-browser")] = True,
    listen: Annotated[str, option("Address to listen at; 0.0.0.0 is every network.")] = HOST,
    names: Annotated[
        list[str] | None,
        option("Host name under which others reach it; may be repeated.", "--name"),
    ] = None,
    token: Annotated[
        str | None,
        option("What a request must bring; new at each start.", envvar="PELLUCID_TOKEN"),
    ] = None,
    *,
    weights: WeightOptions,
) -> None:
    """Explore a model in the browser. Prints the page's address, which holds its token."""
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise typer.BadParameter(f"At least {SHORTEST_TOKEN} characters.", param_hint="--token")
    listening = bound(port, listen)
    opened = weights.open(name.model, name.tokenizer)
    import uvicorn

    from pellucid.app.patience import PatientProtocol
    from pellucid.app.server import application

    token = token or secrets.token_urlsafe(24)
    address = f"http://{HOST}:{listening.getsockname()[1]}/?token={quote(token, safe='')}"
    served = application(opened, token=token, names=names or ())
    settings = uvicorn.Config(
        served, http=PatientProtocol, log_level="error", timeout_graceful_shutdown=1
    )
    tell(address)
    tell("Open this address in a browser on this machine. Ctrl+C stops.", err=True)
    if listen != HOST:
        tell(f"It listens at {listen}: whoever has the token can use it.", err=True)
    if browser:
        webbrowser.open(address)
    uvicorn.Server(settings).run(sockets=[listening])


def bound(port: int, address: str = HOST) -> socket.socket:
    """A socket that listens at an address of this machine.

    **Raises** ``typer.BadParameter`` (exit code 2) when the address is not one, or the port is
    taken or not allowed.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((address, port))
        found.listen()
    except OSError as error:
        found.close()
        raise typer.BadParameter(
            f"{address}:{port}: {error.strerror}. Choose another, or leave it out for a free one.",
            param_hint="--port" if address == HOST else "--listen",
        ) from error
    return found
