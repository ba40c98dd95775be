"""How often somebody may try a password: five times a minute per name and address."""

import threading
from collections.abc import Callable

MOST, MOST_OF_ADDRESS = 5, 30  # a minute
SPAN_S = 60.0
MOST_KEPT = 10_000  # tries of the last minute, of all; then nobody may


class Tries:
    """The tries of the last minute.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._made: list[tuple[float, str, str]] = []
        self._lock = threading.Lock()

    def may(self, name: str, address: str) -> bool:
        """Count a try, and say whether it may be made."""
        with self._lock:
            now = self._clock()
            self._made = [one for one in self._made if one[0] > now - SPAN_S]
            of_address = [one for one in self._made if one[2] == address]
            n_of_name = sum(one[1] == name for one in of_address)
            if n_of_name >= MOST or len(of_address) >= MOST_OF_ADDRESS:
                return False
            if len(self._made) >= MOST_KEPT:
                return False
            self._made.append((now, name, address))
            return True
