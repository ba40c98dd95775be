"""A listener in the middle that has the server's key: it writes down every byte inside TLS."""

import asyncio
import ssl
import threading
from pathlib import Path


class Wiretap:
    """Stands at `port` in front of a coordinator; `heard` is what passed, both ways."""

    def __init__(self, port: int, server_port: int, tls: Path) -> None:
        self.heard = bytearray()
        self._port, self._server_port, self._tls = port, server_port, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(self._tls / "server.crt", self._tls / "server.key")
        listener = self._loop.run_until_complete(
            asyncio.start_server(self._pass_on, "127.0.0.1", self._port, ssl=server)
        )
        self._loop.run_forever()
        listener.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

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
