"""A listener in the middle that has the server's key: it writes down every byte inside TLS."""

import asyncio
import ssl
from pathlib import Path

from tests.system.in_between import InBetween


class Wiretap:
    """Stands at `port` in front of a coordinator; `heard` is what passed, both ways."""

    def __init__(self, port: int, server_port: int, tls: Path) -> None:
        self.heard = bytearray()
        self._server_port, self._tls = server_port, tls
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls / "server.crt", tls / "server.key")
        self.close = InBetween(port, self._pass_on, context).close

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = ssl.create_default_context(cafile=self._tls / "ca.crt")
        try:
            far = await asyncio.open_connection("localhost", self._server_port, ssl=context)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._copy(reader, far[1]), self._copy(far[0], writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                self.heard += data
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
