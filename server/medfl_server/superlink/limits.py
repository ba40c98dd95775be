"""Limits of one hospital, or of a stranger, at the public listener.

Flower's client tries again after 503 and gives up on any other status; so an honest site only
meets 503.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MAX_BODY = 16 * 2**20  # bytes of one request; Flower moves arrays in pieces of 5 MiB
BODY_S = 180.0  # for one body to arrive; 5 MiB take 42 s over 1 Mbit/s
MAX_REPLY = 2**34  # bytes of one reply, if the plan's own size is unknown
REQUEST_S = 20.0  # for the body of any other request to arrive
MAX_REQUEST = 64 * 2**10  # bytes of a request that neither announces nor sends a reply
MAX_GIVING = 12  # pieces of arrays that are on their way to sites at once; each is in memory
MAX_TAKING = 12  # on their way from sites
MAX_TURNS_OF_KEY = 4  # of one site; Flower's SuperNode has 2
TURN_S = 10.0  # a piece that takes longer holds nobody else up
MAX_ADDRESSES = 10_000  # that the listener remembers
AGAIN_S, MOST_SAID = 60.0, 50  # before a stranger is told of again; things told of in that time
# Requests from one address: so many at once, and so many a second. A SuperNode that moves 550 MB
# makes some hundreds, and many hospitals may share an address.
BURST, RATE = 4000.0, 400.0
# Requests refused for a wrong key or time: a SuperNode of ours tries every few seconds.
BURST_REFUSED, RATE_REFUSED = 60.0, 2.0


@dataclass
class Bucket:
    """A token bucket: `burst` at once, `rate` a second."""

    burst: float
    rate: float
    left: float = field(init=False)
    at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Begin full."""
        self.left = self.burst

    def refill(self) -> float:
        """Return how many are left now."""
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        return self.left


class Turns:
    """Transfers that may run at once: so many in all, so many of one key.

    Args:
        most: Of all keys; one that has taken `counts_s` counts no more, so that who is slow holds
            up nobody else.
        of_key: Of one key, however slow.
        counts_s: Seconds.
    """

    def __init__(self, most: int, of_key: int, counts_s: float) -> None:
        self._all = asyncio.Semaphore(most)
        self._of_key, self._counts_s = of_key, counts_s
        self._own: dict[bytes, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, key: bytes) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        own = self._own.setdefault(key, asyncio.Semaphore(self._of_key))
        async with own:
            await self._all.acquire()
            left = [self._all.release]  # once, whichever comes first

            def give_back() -> None:
                if left:
                    left.pop()()

            slow = asyncio.get_running_loop().call_later(self._counts_s, give_back)
            try:
                yield
            finally:
                slow.cancel()
                give_back()


class Allowance:
    """How much of one reply a key may still upload.

    Args:
        most: Bytes of the largest reply that the plan allows, framing included.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[bytes, int] = {}

    def begin(self, key: bytes) -> None:
        """Note the start of an admitted reply of this key."""
        self._taken[key] = 0

    def take(self, key: bytes, n_bytes: int) -> None:
        """Note an arrived piece."""
        self._taken[key] = self._taken.get(key, 0) + n_bytes

    def is_enough(self, key: bytes, n_bytes: int) -> bool:
        """Say whether the limit allows this many more bytes."""
        return self._taken.get(key, 0) + n_bytes <= self._most


class Meter:
    """Counts requests by address; forgets the least recently seen addresses.

    Many hospitals may share an address with a stranger, so faults of others at the address do not
    delay a site whose key Flower has accepted once.
    """

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._buckets: OrderedDict[str, tuple[Bucket, Bucket]] = OrderedDict()

    def is_allowed(self, address: str, key: bytes = b"") -> bool:
        """Count a request, and say whether it may pass; `key` is its claimed sender."""
        all_, refused = self._of(address)
        if all_.refill() < 1 or (refused.refill() < 1 and key not in self._known):
            return False
        all_.left -= 1
        return True

    def note_known(self, key: bytes) -> None:
        """Note a key that Flower has accepted: one of the roster."""
        self._known.add(key)

    def note_refused(self, address: str) -> None:
        """Count a request that Flower refused for its key, signature or time."""
        self._of(address)[1].left -= 1

    def _of(self, address: str) -> tuple[Bucket, Bucket]:
        found = self._buckets.get(address)
        if found is None:
            found = (Bucket(BURST, RATE), Bucket(BURST_REFUSED, RATE_REFUSED))
            self._buckets[address] = found
            if len(self._buckets) > MAX_ADDRESSES:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        return found


class Seldom:
    """Lets one line about each thing through now and then, so that nobody floods screen and log."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def is_due(self, about: str) -> bool:
        """Say whether nothing was said about it for `AGAIN_S`; then it counts as said now."""
        now = time.monotonic()
        self._said = {thing: at for thing, at in self._said.items() if now - at < AGAIN_S}
        is_new = about not in self._said and len(self._said) < MOST_SAID
        if is_new:
            self._said[about] = now
        return is_new
