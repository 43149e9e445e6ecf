"""The HTTP interface: one page, and jobs that are asked for, followed and cancelled.

GET  /                      the page; an address with the token becomes a cookie, and one without
POST /api/jobs              a question (``requests.py``) -> its id
POST /api/files             the same for a saved result, which may be larger (``guard.py``)
GET  /api/jobs/ID/events    server-sent events until the job is over
POST /api/jobs/ID/cancel    ask a job to stop
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from pellucid.app.examples import examples_for
from pellucid.app.guard import Guard, asked_with, cookie_name
from pellucid.app.handlers import forwards_of, work_for
from pellucid.app.jobs import FieldError, Job, QueueFullError, Worker
from pellucid.app.patience import body_of
from pellucid.app.requests import read_asked
from pellucid.model.model import Model
from pellucid.report.page import around, policy

LOOK = 0.03
"""Seconds between looks at a job that is followed."""
_OWN = "'self'"
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def application(model: Model, *, token: str, names: Sequence[str] = ()) -> Starlette:
    """The app for one model; ``token`` is what a request must bring, ``names`` its host names."""
    app = Starlette(
        routes=[
            Route("/", page),
            Route("/api/jobs", add, methods=["POST"]),
            Route("/api/files", add, methods=["POST"]),
            Route("/api/jobs/{id:str}/events", follow),
            Route("/api/jobs/{id:str}/cancel", cancel, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, token=token, names=names)],
    )
    app.state.model = model
    app.state.worker = Worker()
    return app


async def page(request: Request) -> Response:
    """The page that asks everything else; the token goes from its address into a cookie."""
    if token := asked_with(request.scope):
        there = RedirectResponse("/", status_code=303, headers=HEADERS)
        name = cookie_name(request.headers.get("host", ""))
        there.set_cookie(name, quote(token, safe=""), httponly=True, samesite="lax")
        return there
    model: Model = request.app.state.model
    about = {
        "model": model.name,
        "layers": model.anatomy.n_layers,
        "nodes": [node.name for node in model.nodes],
        "max_positions": model.max_positions,
        "examples": examples_for(model),
    }
    html = around(
        {"type": "App", "fields": about},
        title=f"Pellucid: {model.name}",
        text="This page needs JavaScript; the command line does not: pellucid --help",
        connect=_OWN,
    )
    rules = f"{policy(connect=_OWN)}; frame-ancestors 'none'"
    return HTMLResponse(html, headers={**HEADERS, "Content-Security-Policy": rules})


async def add(request: Request) -> Response:
    """Check a question and put it in the queue."""
    try:
        body = await body_of(request)
        if body is None:
            return JSONResponse({"message": "The body did not come."}, status_code=408)
        asked = read_asked(json.loads(body))
    except FieldError as error:
        return _refused(error.field, str(error))
    except (ValueError, RecursionError):
        return _refused("kind", "The body is not JSON.")
    if request.url.path == "/api/files" and asked.kind != "open":
        return _refused("kind", "Only saved results are brought here.")
    model: Model = request.app.state.model
    try:
        job = request.app.state.worker.add(
            work_for(model, asked), forwards=forwards_of(model, asked), kind=asked.kind
        )
    except QueueFullError as error:
        return JSONResponse({"message": str(error)}, status_code=429, headers=HEADERS)
    return JSONResponse({"id": job.id}, status_code=202, headers=HEADERS)


async def follow(request: Request) -> Response:
    """What happened to a job so far, and what happens until it is over."""
    worker: Worker = request.app.state.worker
    job = worker.jobs.get(request.path_params["id"])
    if job is None:
        return missing()
    told = events(job, lambda: worker.ahead(job))
    return StreamingResponse(told, media_type="text/event-stream", headers=HEADERS)


async def cancel(request: Request) -> Response:
    """Ask a job to stop; it says itself when it has."""
    job = request.app.state.worker.jobs.get(request.path_params["id"])
    if job is None:
        return missing()
    job.stop.set()
    return JSONResponse({"id": job.id}, status_code=202, headers=HEADERS)


async def events(job: Job, ahead: Callable[[], list[str]]) -> AsyncIterator[str]:
    """The job's events; of those that came since the last look only the last is news.

    Until the first of them, what it waits for is told whenever that changes.
    """
    told, waits_for = 0, None
    while True:
        over = job.over
        if len(job.events) > told:
            told = len(job.events)
            yield as_sent(job.events[-1])
        elif told == 0 and (now := ahead()) and now != waits_for:
            waits_for = now
            yield as_sent({"event": "waiting", "ahead": now})
        if over:
            return
        await asyncio.sleep(LOOK)


def as_sent(event: dict[str, Any]) -> str:
    """A server-sent event; its data is one line of JSON."""
    return f"data: {json.dumps(event, allow_nan=False)}\n\n"


def _refused(field: str, message: str) -> Response:
    """What is wrong with a field."""
    return JSONResponse({"field": field, "message": message}, status_code=400, headers=HEADERS)


def missing() -> Response:
    """There is no such job, or it is long over."""
    message = "There is no such job; the app may have been started again."
    return JSONResponse({"message": message}, status_code=404, headers=HEADERS)
