"""Connections at the public port: a request that begins must come, and strangers make room.

uvicorn waits for ever for a header that stops halfway, and answers 503 to everybody when 1000
connections are open. Here a header has seconds, a handshake too, and of those whose key is not
known yet the oldest connection ends when there are too many.
"""

import asyncio
import contextlib
import resource
import socket
import ssl
from collections import OrderedDict
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from medfl_common.errors import LinkError, system_reason
from medfl_common.ops.address import bare
from medfl_server.superlink.asgi import Asgi, Scope

HANDSHAKE_S = 10.0  # for TLS
HEADER_S = 10.0  # for the head of a request, and between two requests
MAX_STRANGERS = 300  # connections of whom no key is known yet
MAX_OF_KEY = 32  # connections of one hospital
MAX_FILES = 65_536  # that this process may have open, connections among them
CONNECTION = "medfl_connection"  # under which a request's state holds its connection


class Door:
    """The open connections: those of strangers, and those of each key, the oldest first."""

    def __init__(self) -> None:
        self._rooms: dict[bytes, OrderedDict[Connection, None]] = {}

    def enter(self, connection: "Connection", key: bytes = b"") -> None:
        """Let a connection in, under its key once that is known; the oldest makes room."""
        if connection.key == key and connection in self._rooms.get(key, ()):
            return
        self.leave(connection)
        connection.key = key
        room = self._rooms.setdefault(key, OrderedDict())
        room[connection] = None
        if len(room) > (MAX_OF_KEY if key else MAX_STRANGERS):
            room.popitem(last=False)[0].hang_up()

    def leave(self, connection: "Connection") -> None:
        """Forget a connection."""
        room = self._rooms.get(connection.key)
        if room is not None:
            room.pop(connection, None)
            if not room:
                del self._rooms[connection.key]


class Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's connection, with a time for the head of each request."""

    door: Door
    app_state: dict[str, Any]
    key = b""
    _ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, CONNECTION: self}
        self.door.enter(self)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self.door.leave(self)
        self._stop()
        super().connection_lost(exc)

    def hang_up(self) -> None:
        """End the connection at once."""
        self._stop()
        self.transport.abort()

    def _watch(self) -> None:
        """Let the time run while no request is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._ends is None and not self.transport.is_closing():
            self._ends = self.loop.call_later(HEADER_S, self.hang_up)

    def _stop(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None


def uvicorn_config(app: Asgi, certificate: Path, key: Path) -> uvicorn.Config:
    """Serve an app with a certificate, over TLS 1.2 or newer; its connections share a door."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=1,
        http=type("PortConnection", (Connection,), {"door": Door()}),
        ssl_certfile=certificate,
        ssl_keyfile=str(key),
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def connection_of(scope: Scope) -> Connection | None:
    """Give the connection of a request; None in a test without a port."""
    return cast("Connection | None", scope.get("state", {}).get(CONNECTION))


class PortLoop(asyncio.SelectorEventLoop):
    """An event loop whose TLS handshakes end after seconds."""

    async def create_server(self, *args: Any, **settings: Any) -> asyncio.Server:
        """Listen."""
        if settings.get("ssl") is not None:
            settings["ssl_handshake_timeout"] = HANDSHAKE_S
        return await super().create_server(*args, **settings)


def allow_many_files() -> None:
    """Let this process have many connections open, where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def bind(host: str, port: int) -> socket.socket:
    """Bind a port, 0 for any; raises LinkError with the number of a port in use."""
    host = bare(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if host == "::":  # all addresses, those of IPv4 too
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise LinkError(
            f"port {port} on {host} cannot be used ({system_reason(error)})",
            todo="stop what uses it, or take another with --port",
        ) from None
    return listener
