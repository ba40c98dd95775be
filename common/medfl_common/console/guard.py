"""What every request passes: the name it asks for, where it comes from, and the answer's headers.

A page that answers to any name can be read by a foreign page whose name points here (DNS
rebinding), and a form of a foreign page could act with a person's session (CSRF).
"""

from collections.abc import Container

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types medfl"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer forms have no origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
MISDIRECTED, FORBIDDEN = 421, 403


class Guarded:
    """Answers only to its own names, and takes forms only from its own pages.

    Args:
        app: What answers.
        hosts: Names that it answers to, without a port.
        is_tls: Whether pages are served by TLS.
    """

    def __init__(self, app: ASGIApp, hosts: Container[str], is_tls: bool) -> None:
        self._app, self._hosts = app, hosts
        self._scheme = "https" if is_tls else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refused = self._why_refused(Request(scope))
        await (refused or self._app)(scope, receive, with_headers)

    def _why_refused(self, request: Request) -> PlainTextResponse | None:
        host = request.headers.get("host", "")
        if _without_port(host) not in self._hosts:
            return PlainTextResponse("this page answers only to its own name\n", MISDIRECTED)
        if request.method in ("GET", "HEAD"):
            return None
        origin = request.headers.get("origin")
        is_own = origin == f"{self._scheme}://{host}"
        if not is_own or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse("the form is not from this page\n", FORBIDDEN)
        return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[").lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
