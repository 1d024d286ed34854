"""Who may ask: every request is checked before any route sees it.

The page has no password: whoever knows the address, a random token in it, may read. A page of another origin that
guesses the port (DNS rebinding, a hidden form) gets nothing: Host and Origin must be ours. Nothing on the server
changes anything, so only GET and HEAD are answered.
"""

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost")
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # no text of the data can become markup, whatever the page's code does
    ]
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address holds the token
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def new_token() -> str:
    """A token of 256 random bits for an address."""
    return secrets.token_urlsafe(32)


class Guard:
    """Lets requests through whose method, Host, Origin and token are right, and puts headers on every answer."""

    def __init__(self, app: "ASGIApp", token: str, hosts: Iterable[str] = LOOPBACK) -> None:
        self.app, self.token, self.hosts = app, token.encode(), frozenset(hosts)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            refusal = self._refusal(scope)
            app = self.app if refusal is None else refusal
            await app(scope, receive, _with_headers(send))
        # anything else, a websocket, is not answered: there is none

    def _refusal(self, scope: "Scope") -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("this page can only be read", 405, {"allow": "GET, HEAD"})
        if not self._ours(f"//{headers.get('host', '')}", scope):
            return PlainTextResponse("a Host that is not this page's", 403)
        origin = headers.get("origin")
        if origin is not None and not (origin.startswith("http://") and self._ours(origin, scope)):
            return PlainTextResponse("an Origin that is not this page's", 403)
        given = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if not secrets.compare_digest(given.encode(errors="replace"), self.token):
            return PlainTextResponse("the address lacks the token that `rlaw serve` printed", 403)
        return None

    def _ours(self, address: str, scope: "Scope") -> bool:
        """Whether `//HOST:PORT` leads here, by a loopback name and the port of this server."""
        try:
            parts = urlsplit(address)
            named, port = parts.hostname, parts.port or 80
        except ValueError:
            return False
        here = scope.get("server") or ("", None)
        return named in self.hosts and not (parts.path or parts.username) and here[1] in (None, port)


def _with_headers(send: "Send") -> "Send":
    async def sending(message: "Message") -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.decode().lower() not in HEADERS]
            message["headers"] = [*kept, *((name.encode(), value.encode()) for name, value in HEADERS.items())]
        await send(message)

    return sending
