"""Notice two clients with one key, such as a copied site directory, and report the site.

They would share a site's tasks in silence. Each client has one poll for tasks open at a time, so
two at once are two clients; a connection that broke silently looks like that once.
"""

import time
from collections import Counter
from collections.abc import Callable

SEEN = 3  # overlaps that are too many for a broken connection ...
WITHIN_S = 300.0  # ... in so much time

TWO_CLIENTS = (
    "two clients take the tasks of {name}, perhaps on two machines with a copy of one site "
    "directory; ask the site to stop one of them"
)


class Doubles:
    """Counts the polls that each key has open.

    Args:
        tell: Takes the key that two clients use; once for each key.
    """

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        self._open: Counter[bytes] = Counter()
        self._seen: dict[bytes, list[float]] = {}
        self._told: set[bytes] = set()

    def begin(self, key: bytes) -> None:
        """Note an opened poll."""
        self._open[key] += 1
        if self._open[key] < 2 or key in self._told:
            return
        now = time.monotonic()
        seen = [at for at in self._seen.get(key, []) if now - at < WITHIN_S]
        self._seen[key] = [*seen, now]
        if len(seen) + 1 >= SEEN:
            self._told.add(key)
            self._tell(key)

    def end(self, key: bytes) -> None:
        """Note a closed poll."""
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]
