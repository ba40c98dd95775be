"""What every request passes: the name it asks for, where it comes from, and the answer's headers.

A page that answers to any name can be read by a foreign page whose name points here (DNS
rebinding), and a form of a foreign page could act with a person's session (CSRF).
"""

import re
from collections.abc import Container

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP = "content-security-policy"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types medfl"
)
# Of pages that medfl wrote as files: with their own styles, and in an origin of their own.
FILE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox"
)
HEADERS = {
    CSP: POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer forms have no origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
MISDIRECTED, FORBIDDEN = 421, 403
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")


class Guarded:
    """Answers only to its own names, and takes forms only from its own pages.

    Args:
        app: What answers.
        hosts: Names that it answers to, in small letters, without a port.
        is_tls: Whether browsers see the pages by TLS.
    """

    def __init__(self, app: ASGIApp, hosts: Container[str], is_tls: bool) -> None:
        self._app, self._hosts = app, hosts
        self._scheme = "https" if is_tls else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                is_file = headers.get(CSP) == FILE_POLICY
                for name, value in HEADERS.items():
                    headers[name] = value
                if is_file:
                    headers[CSP] = FILE_POLICY
            await send(message)

        refused = self._why_refused(Request(scope))
        await (refused or self._app)(scope, receive, with_headers)

    def _why_refused(self, request: Request) -> PlainTextResponse | None:
        host = request.headers.get("host", "")
        if _without_port(host) not in self._hosts:
            return PlainTextResponse("this page answers only to its own name\n", MISDIRECTED)
        comes_from = request.headers.get("sec-fetch-site", "same-origin")
        if request.method in ("GET", "HEAD"):
            is_followed = request.headers.get("sec-fetch-mode") == "navigate"
            if comes_from in ("same-origin", "none") or is_followed:
                return None
            return PlainTextResponse("another site may not read this\n", FORBIDDEN)
        is_own = request.headers.get("origin") == f"{self._scheme}://{host}"
        if not is_own or comes_from != "same-origin":
            return PlainTextResponse("the form is not from this page\n", FORBIDDEN)
        return None


def _without_port(host: str) -> str:
    """Give the name of a Host header, an IPv6 address without brackets; empty: it is malformed."""
    found = _HOST.fullmatch(host.lower())
    return found["name"].strip("[]") if found else ""
