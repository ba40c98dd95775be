"""A browser without pictures: it asks a console's application, and keeps its cookies."""

import asyncio
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from starlette.types import ASGIApp, Message

HOST = "127.0.0.1"
REDIRECTS = (302, 303, 307)


@dataclass(frozen=True)
class Answer:
    """What the application answered, after redirects."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass
class Browser:
    """Asks as one browser does.

    Args:
        app: The application.
        cookies: What it was given.
    """

    app: ASGIApp
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """Read a page, and follow redirects."""
        answer = self._ask("GET", path, b"", headers)
        while answer.status in REDIRECTS:
            answer = self._ask("GET", answer.headers["location"], b"", headers)
        return answer

    def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        """Send a form as a page of this console does; headers may say otherwise."""
        kind = {"content-type": "application/x-www-form-urlencoded", "origin": f"http://{HOST}"}
        body = urlencode(form).encode()
        answer = self._ask("POST", path, body, {**kind, **headers})
        return self.get(answer.headers["location"]) if answer.status in REDIRECTS else answer

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        return asyncio.run(self._asked(method, path, body, headers))

    async def _asked(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"host": HOST, "cookie": cookie, **headers}
        address = urlsplit(path)
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
            "path": address.path, "raw_path": address.path.encode(),
            "query_string": address.query.encode(), "server": (HOST, 80), "client": (HOST, 1),
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in sent.items()],
        }  # fmt: skip
        answered: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            answered.append(message)

        await self.app(scope, receive, send)
        return self._taken(answered)

    def _taken(self, answered: list[Message]) -> Answer:
        headers: dict[str, str] = {}
        for name, value in answered[0]["headers"]:
            headers[name.decode()] = value.decode()
            if name == b"set-cookie":
                for key, given in SimpleCookie(value.decode()).items():
                    self.cookies[key] = given.value
        body = b"".join(message.get("body", b"") for message in answered[1:])
        return Answer(answered[0]["status"], headers, body)
