"""Flower's SuperNode as a child process that ends with its parent, whatever ends the parent.

    python -P -m medfl_client.connection.supernode SOCKET SECRET_FILE ARGUMENTS OF flower-supernode

The parent holds the other end of the standard input; when it is gone, so is this process. The
executor's side is a Unix socket in place of Flower's port, and each answer there proves that this
process has the secret. A thread of Flower's that ends by an exception ends the process: without
its heartbeats it would stay connected and get no more tasks. The parent starts it again.
"""

import os
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import uvicorn

import medfl_client  # noqa: F401  sets Flower's environment before flwr is imported
from medfl_client.connection.meeting_place import NONCE_HEADER, PROOF_HEADER, proof

Event = MutableMapping[str, Any]  # as ASGI has it
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Asgi = Callable[[Event, Receive, Send], Awaitable[None]]


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)


def _end_with_thread(fault: threading.ExceptHookArgs) -> None:
    name = fault.thread.name if fault.thread else "unknown"
    print(f"medfl: the thread {name} ended: {fault.exc_value!r}", flush=True)
    os._exit(1)


def _serve_on(socket: str, secret: bytes) -> None:
    """Have whatever uvicorn serves in this process served on the socket, and prove the secret."""

    class OnSocket(uvicorn.Config):
        def __init__(self, app: Asgi, **settings: Any) -> None:
            settings = {k: v for k, v in settings.items() if k not in ("host", "port")}
            super().__init__(proving(app, secret), uds=socket, **settings)

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
    socket, secret_file, *arguments = sys.argv[1:]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.excepthook = _end_with_thread
    _serve_on(socket, Path(secret_file).read_bytes())
    (command,) = entry_points(group="console_scripts", name="flower-supernode")
    sys.argv = [command.name, "--superexec-auth-secret-file", secret_file, *arguments]
    command.load()()


if __name__ == "__main__":
    main()
