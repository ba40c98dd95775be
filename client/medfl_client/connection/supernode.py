"""Flower's SuperNode as a child process that ends with its parent, whatever ends the parent.

    python -P -m medfl_client.connection.supernode SOCKET SECRET_FILE ARGUMENTS OF flower-supernode

The first line of the standard input is the route as JSON (`for_child`), so that no proxy's user is
in the list of processes. The parent holds the other end; when it is gone, so is this process. The
executor's side is a Unix socket in place of Flower's port, and each answer there proves that this
process has the secret. A thread of Flower's that ends by an exception ends the process: without
its heartbeats it would stay connected and get no more tasks. The parent starts it again.

Its connections lead to the coordinator, the way of medfl's own look, and nowhere else: it reads no
proxy variables, and follows no redirect.
"""

import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import httpx
import uvicorn

import medfl_client  # noqa: F401  sets Flower's environment before flwr is imported
from medfl_client.connection.meeting_place import NONCE_HEADER, PROOF_HEADER, proof
from medfl_client.connection.progress import SteadyClient
from medfl_client.connection.proxy import forget_proxies
from medfl_client.connection.way import REDIRECT, Route, connect, route_of
from medfl_common.errors import LinkError

Event = MutableMapping[str, Any]  # as ASGI has it
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Asgi = Callable[[Event, Receive, Send], Awaitable[None]]


class StraightClient(SteadyClient):
    """An HTTP client that reads no environment and follows nobody."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "follow_redirects": False, "trust_env": False})

    def send(self, request: httpx.Request, **settings: Any) -> httpx.Response:
        """Send a request, and say so where the answer is a redirect."""
        answer = super().send(request, **settings)
        if answer.has_redirect_location:
            print(REDIRECT, flush=True)
        return answer


def go_straight(route: Route) -> None:
    """Make every connection of this process lead to the coordinator, or fail."""
    host, port = route.host_and_port

    def to_coordinator(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        if (address[0].lower(), address[1]) != (host.lower(), port):
            raise ConnectionRefusedError("medfl connects to the coordinator only")
        try:
            return connect(route)
        except LinkError as error:
            raise ConnectionError(str(error)) from None

    forget_proxies(os.environ)
    setattr(socket, "create_connection", to_coordinator)  # noqa: B010
    setattr(httpx, "Client", StraightClient)  # noqa: B010


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)


def _end_with_thread(fault: threading.ExceptHookArgs) -> None:
    name = fault.thread.name if fault.thread else "unknown"
    print(f"medfl: the thread {name} ended: {fault.exc_value!r}", flush=True)
    os._exit(1)


def _serve_on(path: str, secret: bytes) -> None:
    """Have whatever uvicorn serves in this process served on the socket, and prove the secret."""

    class OnSocket(uvicorn.Config):
        def __init__(self, app: Asgi, **settings: Any) -> None:
            settings = {k: v for k, v in settings.items() if k not in ("host", "port")}
            super().__init__(proving(app, secret), uds=path, **settings)

    setattr(uvicorn, "Config", OnSocket)  # noqa: B010  Flower's command knows ports only


def proving(app: Asgi, secret: bytes) -> Asgi:
    """Answer as the app does, with the proof that belongs to the request's nonce."""

    async def face(scope: Event, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        nonce = headers.get(NONCE_HEADER.encode(), b"").decode("latin-1")

        async def told(event: Event) -> None:
            if event["type"] == "http.response.start":
                shown = (PROOF_HEADER.encode(), proof(secret, nonce).encode())
                event = {**event, "headers": [*event.get("headers", ()), shown]}
            await send(event)

        await app(scope, receive, told)

    return face


def main() -> None:
    """Run flower-supernode in this process."""
    path, secret_file, *arguments = sys.argv[1:]
    go_straight(route_of(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.excepthook = _end_with_thread
    _serve_on(path, Path(secret_file).read_bytes())
    (command,) = entry_points(group="console_scripts", name="flower-supernode")
    sys.argv = [command.name, "--superexec-auth-secret-file", secret_file, *arguments]
    command.load()()


if __name__ == "__main__":
    main()
