"""A hospital's HTTP proxy on loopback: CONNECT, a login if wanted, and a limit for idle tunnels."""

import asyncio
import base64
import time
from contextlib import suppress

from tests.system.in_between import InBetween


class ConnectProxy:
    """Tunnels to the names that it knows.

    Args:
        port: Where it listens.
        names: Host of a CONNECT -> port on 127.0.0.1; another host is answered with 502.
        login: `user:password` that it asks for; empty: it asks for none.
        status: Answer every CONNECT with this status; 0: tunnel.
        idle_s: Cut a tunnel in which nothing passes for so long.
    """

    def __init__(
        self, port: int, names: dict[str, int], login: str = "", status: int = 0, idle_s: float = 0
    ) -> None:
        self.asked: list[str] = []  # HOST:PORT of each CONNECT
        self.n_idle_cuts = 0
        self.status, self.login = status, login
        self._names, self._idle_s = names, idle_s
        self.close = InBetween(port, self._serve).close

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.split()[1])
            status = self._status_of(head)
            to_port = self._names.get(self.asked[-1].rpartition(":")[0])
            if not status and to_port is not None:
                with suppress(OSError):
                    far = await asyncio.open_connection("127.0.0.1", to_port)
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    passed = [time.monotonic()]
                    there = self._copy(reader, far[1], passed)
                    await asyncio.gather(there, self._copy(far[0], writer, passed))
                    return
            writer.write(
                f"HTTP/1.1 {status or 502} No\r\nProxy-Authenticate: Basic\r\n\r\n".encode()
            )
            await writer.drain()
        writer.close()

    def _status_of(self, head: str) -> int:
        wanted = base64.b64encode(self.login.encode()).decode()
        if self.login and f"Proxy-Authorization: Basic {wanted}" not in head:
            return 407
        return self.status

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: list[float]
    ) -> None:
        with suppress(OSError):
            while True:
                try:
                    data = await asyncio.wait_for(reader.read(1 << 14), self._idle_s or None)
                except TimeoutError:
                    if time.monotonic() - passed[0] < self._idle_s:  # the other way is busy
                        continue
                    self.n_idle_cuts += 1
                    break
                if not data:
                    break
                passed[0] = time.monotonic()
                writer.write(data)
                await writer.drain()
        writer.close()
