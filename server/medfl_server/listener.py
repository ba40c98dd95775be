"""The public face of the SuperLink: TLS, the hospitals' API and health; nothing else."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from medfl_common.errors import LinkError
from medfl_common.protocol import PROTOCOL, PROTOCOL_HEADER

HTTP_OK = 200
HOLD_S = 20.0  # an empty look for messages is held open so long; Flower gives up after 30
PULL_MESSAGES = "/v1/fleet/pull-messages"

Scope = MutableMapping[str, Any]  # as ASGI has it
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Listener:
    """Where hospitals connect: an address with TLS."""

    host: str
    port: int
    certificate: Path
    key: Path


class Bell:
    """Wakes the hospitals' held requests when a message was put out; rung from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()
        self.is_closed = False

    def close(self) -> None:
        """Let all that wait go, for good."""
        self.is_closed = True
        self.ring()

    def ring(self) -> None:
        """Wake all that wait."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._swing)

    def listen(self) -> asyncio.Event:
        """Give what the next ring sets; taken before a look, no ring after the look is missed."""
        self._loop = asyncio.get_running_loop()
        return self._rung

    def _swing(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()


class FleetOnly:
    """The public face of the SuperLink: the fleet API and health, nothing else.

    A hospital that looks for messages and finds none is held until there is one, so that its
    SuperNode does not sleep its three seconds between looks.
    """

    def __init__(self, app: Asgi, bell: Bell) -> None:
        self._app = app
        self._bell = bell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 404."""
        path = scope.get("path", "")
        if scope["type"] == "http" and path == PULL_MESSAGES:
            await self._hold(scope, receive, send)
        elif scope["type"] == "lifespan" or path.startswith("/v1/fleet/"):
            await self._app(scope, receive, send)
        elif path == "/health":
            await self._app(scope, receive, _with_protocol(send))
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def _hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a look for messages when there is one, at the latest after HOLD_S."""
        body = await _read_body(receive)
        gone = asyncio.ensure_future(receive())  # ends when the hospital hangs up
        ends = time.monotonic() + HOLD_S
        try:
            while not gone.done():  # a message taken for one who has hung up would be lost
                rung = self._bell.listen()
                events = await self._ask(scope, body)
                found = events[0]["status"] != HTTP_OK or any(e.get("body") for e in events[1:])
                left = ends - time.monotonic()
                if found or left <= 0 or self._bell.is_closed:
                    for event in events:
                        await send(event)
                    return
                await _first_of(rung, gone, left)
        finally:
            gone.cancel()

    async def _ask(self, scope: Scope, body: bytes) -> list[Event]:
        """Put the request to the SuperLink and keep its answer."""
        events: list[Event] = []

        async def receive() -> Event:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: Event) -> None:
            events.append(event)

        await self._app(dict(scope), receive, send)
        return events


def _with_protocol(send: Send) -> Send:
    """Let an answer say which protocol this coordinator speaks."""

    async def told(event: Event) -> None:
        if event["type"] == "http.response.start":
            header = (PROTOCOL_HEADER.encode(), str(PROTOCOL).encode())
            event = {**event, "headers": [*event.get("headers", ()), header]}
        await send(event)

    return told


async def _first_of(rung: asyncio.Event, gone: asyncio.Future[Event], timeout_s: float) -> None:
    ring = asyncio.ensure_future(rung.wait())
    both: list[asyncio.Future[Any]] = [ring, gone]
    await asyncio.wait(both, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    ring.cancel()


async def _read_body(receive: Receive) -> bytes:
    parts = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(parts)


def uvicorn_config(app: FleetOnly, listener: Listener) -> uvicorn.Config:
    """Serve the app with the listener's certificate; Python's TLS is 1.2 or newer."""
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=1,
        ssl_certfile=listener.certificate,
        ssl_keyfile=str(listener.key),
    )


def bind(host: str, port: int) -> socket.socket:
    """Take a port, 0 for any; raises LinkError naming the one that is in use."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise LinkError(
            f"port {port} on {host} cannot be used ({error.strerror}); stop what uses it, or take "
            "another with --port"
        ) from None
    return listener
