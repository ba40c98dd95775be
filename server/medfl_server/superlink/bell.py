"""Wakes the hospitals' held requests."""

import asyncio
from typing import Any


class Bell:
    """Wakes the hospitals' held requests when a message is out; any thread may ring it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()
        self.is_closed = False

    def close(self) -> None:
        """Release all waiting requests, for good."""
        self.is_closed = True
        self.ring()

    def ring(self) -> None:
        """Wake all waiting requests."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._swing)

    def listen(self) -> asyncio.Event:
        """Return the event that the next ring sets; take it before a poll to miss no ring."""
        self._loop = asyncio.get_running_loop()
        return self._rung

    def _swing(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()


async def first_of(rung: asyncio.Event, gone: asyncio.Future[Any], timeout_s: float) -> None:
    """Wait for a ring, the end of the connection or the time."""
    ring = asyncio.ensure_future(rung.wait())
    both: list[asyncio.Future[Any]] = [ring, gone]
    await asyncio.wait(both, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    ring.cancel()
