"""Who may speak to the app: pages that it served itself, to whoever was given the address.

Any page in the same browser can send requests to 127.0.0.1. Three things keep them out: the token
that is part of the address printed at the start, and a cookie from then on; a Host that is this
machine or a name that was given at the start (a name that was bent to point here is refused); and
an Origin, where a browser sends one, that is this app.
"""

from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from secrets import compare_digest
from types import MappingProxyType
from urllib.parse import parse_qs, unquote

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost")
HEADER = "x-pellucid-token"
_LARGEST = 1 << 20
"""Bytes that a request may bring."""
LARGER = MappingProxyType({"/api/files": 32 << 20})
"""Bytes that a request may bring where it brings a saved result."""


class Guard:
    """ASGI middleware that answers 403 to everybody else, and 413 to what is too large.

    ``names`` are host names of this app beside ``HOSTS``, as a proxy in front of it is called.
    """

    def __init__(self, app: ASGIApp, *, token: str, names: Sequence[str] = ()) -> None:
        self.app = app
        self.token = token
        self.names = tuple(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self.refusal(scope, headers)
        if refusal:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)
        elif not _small(headers, most := LARGER.get(scope["path"], _LARGEST)):
            text = f"A request may bring at most {most} bytes, and must say how many."
            await PlainTextResponse(text, status_code=413)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def refusal(self, scope: Scope, headers: Headers) -> str:
        """Why a request is refused; empty when it is not."""
        host = headers.get("host", "")
        name = host.rsplit(":", 1)[0]
        if name not in (*HOSTS, *self.names):
            return (
                f"This app answers under {' and '.join((*HOSTS, *self.names))} only. "
                "Start it with --name for another name."
            )
        origin = headers.get("origin")
        # A proxy that ends TLS passes on an origin of https and a request of http.
        if origin not in (None, f"http://{host}", *([f"https://{host}"] * (name in self.names))):
            return "This app answers its own pages only."
        given = headers.get(HEADER) or asked_with(scope) or _kept(headers)
        if not compare_digest(given.encode(), self.token.encode()):
            return "Open the address that `pellucid app` printed; its token is missing or old."
        return ""


def asked_with(scope: Scope) -> str:
    """The token in the address, empty without one."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return next(iter(query.get("token", [])), "")


def cookie_name(host: str) -> str:
    """What the token's cookie is called: cookies know no ports, and several apps may run."""
    return f"pellucid-{host.rpartition(':')[2]}" if ":" in host else "pellucid"


def _kept(headers: Headers) -> str:
    """The token that the browser kept, empty without one."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    kept = cookies.get(cookie_name(headers.get("host", "")))
    return unquote(kept.value) if kept else ""


def _small(headers: Headers, most: int) -> bool:
    if "transfer-encoding" in headers:
        return False
    length = headers.get("content-length", "0")
    return length.isdecimal() and int(length) <= most
