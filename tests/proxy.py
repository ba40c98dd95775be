"""A proxy on loopback that cuts and slows what passes; TLS goes through it unopened."""

import asyncio
import threading


class Proxy:
    """Passes bytes on from `port` to `to_port`.

    Args:
        port: Where it listens.
        to_port: Where it passes bytes on to.
        cut_after: Cut a connection when so many bytes went up; `n_cuts` times in all.
        n_cuts: How often.
        bytes_a_second: Each way, on each connection; 0: as fast as it can.
    """

    def __init__(
        self, port: int, to_port: int, cut_after: int = 0, n_cuts: int = 0, bytes_a_second: int = 0
    ) -> None:
        self.n_cuts_left = n_cuts
        self._port, self._to_port = port, to_port
        self._cut_after, self._rate = cut_after, bytes_a_second
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and cut what is open."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        start = asyncio.start_server(self._pass_on, "127.0.0.1", self._port)
        listener = self._loop.run_until_complete(start)
        self._loop.run_forever()
        listener.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.close()
            return
        up = self._copy(reader, far_writer, self._cut_after)
        await asyncio.gather(up, self._copy(far_reader, writer, 0))

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut_after: int
    ) -> None:
        n_passed = 0
        try:
            while data := await reader.read(1 << 14):
                n_passed += len(data)
                if cut_after and n_passed > cut_after and self.n_cuts_left:
                    self.n_cuts_left -= 1
                    writer.transport.abort()
                    return
                writer.write(data)
                await writer.drain()
                if self._rate:
                    await asyncio.sleep(len(data) / self._rate)
        except OSError:
            pass
        finally:
            writer.close()
