"""The page: `rlaw serve DATA`. Read-only, on the loopback address, behind a token.

    app = create_app(Live(Source("runs/micro")), token="…")

Views live below the token, as `/TOKEN/curves?axis=data`; their numbers as `/TOKEN/api/curves?axis=data`, their figure
and table as `/TOKEN/export/curves.svg?axis=data`. No route changes, starts or ends anything.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources
from threading import Semaphore
from typing import Any

from rlaw.errors import NotFound, RlawError, UsageError

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route
except ImportError as error:
    raise RlawError("the page needs starlette and uvicorn\n  next: pip install 'rlaw[serve]'") from error

from rlaw.serve import exports, overview, views
from rlaw.serve.events import Broadcast
from rlaw.serve.guard import LOOPBACK, Guard, new_token
from rlaw.serve.query import Query
from rlaw.serve.source import Live, Snapshot, Source

HOST = "127.0.0.1"
POLL_SECONDS = 1.0
_POLL_SHARE = 0.02  # of a core, at most, that looking for changes takes
_AT_WORK = 2  # views worked out at once
_PAGES = ("", "overview", "curves", "law", "residuals", "compare", "planner", "contrast")
_STATIC = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "uPlot.iife.min.js": "text/javascript; charset=utf-8",
    "uPlot.min.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_DOCUMENTS: dict[str, Callable[[Snapshot, Query], dict[str, Any]]] = {
    "about": views.about,
    "overview": lambda snapshot, _: overview.overview(snapshot),
    "curves": views.curves,
    "law": views.law,
    "compare": views.compared,
    "planner": views.planner,
}


def create_app(live: Live, token: str, *, poll_seconds: float = POLL_SECONDS) -> Starlette:
    """The application that serves a source.

    Args:
        live: the source and its newest snapshot.
        token: the first part of every path.
        poll_seconds: how often the source is looked at for changes.
    """
    broadcast = Broadcast()
    at_work = Semaphore(_AT_WORK)
    files = {name: _file(name) for name in (*_STATIC, "index.html")}

    async def page(request: Request) -> Response:
        if request.path_params.get("view", "") not in _PAGES:
            return _not_found()
        return Response(files["index.html"], media_type="text/html; charset=utf-8")

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        return Response(files[name], media_type=_STATIC[name]) if name in _STATIC else _not_found()

    async def document(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _DOCUMENTS:
            return _not_found()
        return await _answered(lambda: _numbers(live.now, name, _query(request)), "application/json")

    async def export(request: Request) -> Response:
        view, _, format = request.path_params["file"].rpartition(".")

        def made() -> bytes:
            with at_work:
                return exports.export(live.now, view, format, _query(request))

        return await _answered(made, exports.TYPES.get(format, ""), f"{view}.{format}")

    def _numbers(snapshot: Snapshot, name: str, query: Query) -> bytes:
        def made() -> bytes:
            with at_work:
                return _json(_DOCUMENTS[name](snapshot, query))

        return snapshot.documents.once((name, query), made)

    async def events(request: Request) -> Response:
        after = _number(request.headers.get("last-event-id") or request.query_params.get("after", ""), live.now.number)
        return StreamingResponse(broadcast.follow(after), media_type="text/event-stream")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        polling = asyncio.create_task(_poll(live, broadcast, poll_seconds))
        yield
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling

    base = f"/{token}"
    routes = [
        Route(f"{base}/", page),
        Route(f"{base}/{{view}}", page),
        Route(f"{base}/static/{{name}}", static),
        Route(f"{base}/api/events", events),
        Route(f"{base}/api/{{name}}", document),
        Route(f"{base}/export/{{file}}", export),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token, hosts=LOOPBACK)], lifespan=lifespan)


async def _poll(live: Live, broadcast: Broadcast, seconds: float) -> None:
    """Look for changes for ever, and tell every viewer of each."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        changed = await run_in_threadpool(live.refresh)
        if changed is not None:
            await broadcast.publish(changed.number, {"version": changed.number})
        took = loop.time() - began
        await asyncio.sleep(max(seconds, took / _POLL_SHARE if changed is None else took))


async def _answered(make: Callable[[], bytes], media_type: str, file: str = "") -> Response:
    """What `make` gives, made in a thread; an error of ours as a document with its code."""
    try:
        body = await run_in_threadpool(make)
    except RlawError as error:
        status = 404 if isinstance(error, NotFound) else 400 if isinstance(error, UsageError) else 422
        about = {"error": {"code": error.code, "text": str(error)}}
        return Response(_json(about), status, media_type="application/json")
    headers = {"content-disposition": f'attachment; filename="{file}"'} if file else {}
    return Response(body, media_type=media_type, headers=headers)


def _query(request: Request) -> Query:
    return Query.of(request.query_params.multi_items())


def _number(text: str, usual: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else usual


def _not_found() -> Response:
    return Response("there is no such page", 404, media_type="text/plain")


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps({"schema": 1, **document}, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode(
        errors="backslashreplace"
    )


def _file(name: str) -> bytes:
    return (resources.files("rlaw.serve") / "static" / name).read_bytes()


def serve(source: Source, *, port: int = 0, ready: Callable[[str], None]) -> None:
    """Serve a source until Ctrl-C.

    Args:
        source: what is shown.
        port: of 127.0.0.1; 0 for any free one.
        ready: is given the address once the page answers.

    Raises:
        UsageError: the port is taken.
        KeyboardInterrupt: it was ended.
    """
    live, token = Live(source), new_token()
    if live.now.frame is None and live.now.store is None and isinstance(live.now.problem, NotFound):
        raise live.now.problem
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"port {port} of {HOST} cannot be had: {error}\n  next: `port=0` takes a free one"
            ) from error
        listening.listen(128)
        ready(f"http://{HOST}:{listening.getsockname()[1]}/{token}/")
        server_of(live, token).run(sockets=[listening])


def server_of(live: Live, token: str, *, poll_seconds: float = POLL_SECONDS) -> uvicorn.Server:
    """A server of the page, for a socket that listens on the loopback address."""
    app = create_app(live, token, poll_seconds=poll_seconds)
    quiet: dict[str, Any] = {"log_level": "error", "access_log": False, "server_header": False}
    config = uvicorn.Config(app, **quiet, proxy_headers=False, ws="none", timeout_graceful_shutdown=1)
    return uvicorn.Server(config)
