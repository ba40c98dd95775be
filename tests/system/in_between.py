"""A listener on loopback between a site and its coordinator, in a thread of its own."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable

PassOn = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class InBetween:
    """Hands every connection to `port` to `pass_on`; with `tls`, what it opens."""

    def __init__(self, port: int, pass_on: PassOn, tls: ssl.SSLContext | None = None) -> None:
        self._port, self._pass_on, self._tls = port, pass_on, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and cut what is open."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        start = asyncio.start_server(self._pass_on, "127.0.0.1", self._port, ssl=self._tls)
        listener = self._loop.run_until_complete(start)
        self._loop.run_forever()
        listener.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()
