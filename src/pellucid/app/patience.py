"""Connections that are opened and say nothing are closed again.

uvicorn waits for ever for the rest of a request's head, and the app for the rest of its body; a
few thousand such connections and nobody else is heard.
"""

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""How long a request's head may take from the connection's first or next byte."""
BODY_SECONDS = 60.0
"""How long a request's body may take."""


class PatientProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which closes a connection whose request does not come."""

    head_seconds = HEAD_SECONDS
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody connects, and has to say what for."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Bytes came: a whole head ends the wait, a part of the next begins one."""
        before: Any = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif before is None or before.response_complete:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there to be waited for."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


async def body_of(request: Request, *, seconds: float = BODY_SECONDS) -> bytes | None:
    """The body of a request; None if its sender left or took longer than that."""
    try:
        return await asyncio.wait_for(request.body(), seconds)
    except (TimeoutError, ClientDisconnect):
        return None
