"""A proxy on loopback that cuts and slows what passes; TLS goes through it unopened."""

import asyncio
import time

from tests.system.in_between import InBetween


class Proxy:
    """Passes bytes on from `port` to `to_port`.

    Args:
        port: Where it listens.
        to_port: Where it passes bytes on to.
        cut_after: Cut a connection when so many bytes went up; `n_cuts` times in all.
        n_cuts: How often.
        bytes_a_second: Each way, all connections together; 0: as fast as it can.
    """

    def __init__(
        self, port: int, to_port: int, cut_after: int = 0, n_cuts: int = 0, bytes_a_second: int = 0
    ) -> None:
        self.n_cuts_left = n_cuts
        self._to_port, self._cut_after, self._rate = to_port, cut_after, bytes_a_second
        self._free_at = {"up": 0.0, "down": 0.0}  # when what was passed on is through
        self.close = InBetween(port, self._pass_on).close

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.close()
            return
        up = self._copy(reader, far_writer, "up", self._cut_after)
        await asyncio.gather(up, self._copy(far_reader, writer, "down"))

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: str,
        cut_after: int = 0,
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
                    now = time.monotonic()
                    self._free_at[way] = max(self._free_at[way], now) + len(data) / self._rate
                    await asyncio.sleep(self._free_at[way] - now)
        except OSError:
            pass
        finally:
            writer.close()
