"""Single ASGI requests and answers, within limits."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from medfl_server.superlink.limits import BODY_S, MAX_BODY

Scope = MutableMapping[str, Any]  # as ASGI has it
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooLargeError(Exception):
    """A body is larger than any that Flower sends."""


def bounded(receive: Receive, seconds: float = BODY_S, most: int = MAX_BODY) -> Receive:
    """Receive a body within the limits of size and time; raises TooLargeError or TimeoutError."""
    n_bytes, ends = 0, time.monotonic() + seconds

    async def within() -> Event:
        nonlocal n_bytes
        if n_bytes < 0:  # the body is whole; the next message is the end of the connection
            return await receive()
        event = await asyncio.wait_for(receive(), ends - time.monotonic())
        n_bytes += len(event.get("body", b""))
        if n_bytes > most:
            raise TooLargeError
        if not event.get("more_body"):
            n_bytes = -1
        return event

    return within


async def read_body(receive: Receive) -> bytes:
    """Receive a whole body."""
    parts = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(parts)


def given(body: bytes) -> Receive:
    """Yield a body that has arrived already."""

    async def receive() -> Event:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def arrived(receive: Receive) -> Receive:
    """Wait for the whole body before it takes a place."""
    return given(await read_body(receive))


def counted(receive: Receive, note: Callable[[int], None]) -> Receive:
    """Tell of each piece of a body how many bytes it has."""

    async def told() -> Event:
        event = await receive()
        note(len(event.get("body", b"")))
        return event

    return told


def drained(send: Send) -> Send:
    """End an answer only when its body is on its way: uvicorn waits before the next send."""

    async def told(event: Event) -> None:
        if event["type"] == "http.response.body" and not event.get("more_body"):
            await send({**event, "more_body": True})
            event = {"type": "http.response.body", "body": b""}
        await send(event)

    return told


def announced_bytes(scope: Scope) -> int:
    """Read the body size that a request declares; 0 without one."""
    size = header(scope, b"content-length")
    return int(size) if size.isdigit() else 0


def header(scope: Scope, name: bytes) -> bytes:
    """Return a header's value; empty if there is none."""
    return next((bytes(value) for key, value in scope.get("headers", ()) if key == name), b"")


def address(scope: Scope) -> str:
    """Return the address of a request's sender."""
    return str((scope.get("client") or ("unknown",))[0])


async def answer(send: Send, status: int, is_last: bool = False, body: bytes = b"") -> None:
    """Answer with a status, and nothing else where there is no body; the last one hangs up."""
    headers = [(b"connection", b"close")] if is_last else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
