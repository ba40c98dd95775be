"""The public port over TLS, and strangers who open connections and say nothing, or half of it."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from medfl_common.run.folder import RunFolder
from medfl_server.roster.certificates import create_authority
from medfl_server.superlink import port
from medfl_server.superlink.asgi import Receive, Scope, Send, answer
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.listener import FleetOnly

FEW_S = 0.5
HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def healthy(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(send, 200)


class Served:
    """A public port in a thread."""

    def __init__(self, folder: Path) -> None:
        create_authority(folder, "study", "localhost")
        made = RunFolder(folder)
        face = FleetOnly(healthy, Bell(), knows=lambda scope: False)
        self._context = ssl.create_default_context(cafile=made.ca)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(
            port.uvicorn_config(face, made.server_certificate, made.server_key)
        )
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=port.PortLoop) as runner:
            runner.run(self._server.serve(sockets=[self._socket]))

    def connect(self, with_tls: bool = True) -> socket.socket:
        plain = socket.create_connection(self._socket.getsockname(), timeout=10)
        if not with_tls:
            return plain
        return self._context.wrap_socket(plain, server_hostname="localhost")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(port, "HANDSHAKE_S", FEW_S)
    monkeypatch.setattr(port, "HEADER_S", FEW_S)
    monkeypatch.setattr(port, "MAX_STRANGERS", 5)
    found = Served(tmp_path)
    yield found
    found.stop()


def is_ended(connection: socket.socket) -> bool:
    """Wait for the other end to hang up."""
    try:
        while connection.recv(1000):
            pass
        return True
    except OSError as error:
        return not isinstance(error, TimeoutError)


@pytest.mark.parametrize("said", [b"", b"GET /health HT", HEALTH[:-2], b"POST /v1/fleet/get-run "])
def test_a_request_that_stops_halfway_ends_after_seconds(said: bytes, served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(said)

        started = time.monotonic()
        assert is_ended(connection)
        assert time.monotonic() - started < 5


def test_a_second_request_that_stops_halfway_and_no_handshake_end_too(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(HEALTH)
        assert b"200 OK" in connection.recv(1000)
        connection.sendall(HEALTH[:-2])
        assert is_ended(connection)
    with served.connect(with_tls=False) as connection:
        assert is_ended(connection)


def test_strangers_who_hold_connections_make_room_for_who_comes(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "HEADER_S", 60.0)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(served.connect()) for _ in range(12)]
        late = stack.enter_context(served.connect())
        late.sendall(HEALTH)

        assert b"200 OK" in late.recv(1000)
        assert all(is_ended(one) for one in silent[:7])


def test_most_of_a_strangers_large_body_never_leaves_its_machine(served: Served) -> None:
    head = HEALTH.replace(b"GET /health", b"POST /v1/fleet/push-object")[:-2]
    head += b"content-length: 16000000\r\n\r\n"
    n_sent = 0
    with served.connect() as connection:
        connection.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(256):
                n_sent += connection.send(b"x" * 62_500)

    assert n_sent < 16_000_000
