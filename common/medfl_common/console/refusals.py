"""How many refused tries a record takes a line of: ten a minute of one session; one more counts."""

import threading
from collections.abc import Callable

from medfl_common.console.doors import Visitor

MOST, SPAN_S = 10, 60.0


class Refusals:
    """The refused tries of the last minute, by who made them.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counted: dict[str, tuple[float, int, Visitor]] = {}  # since when, how many
        self._lock = threading.Lock()

    def may_note(self, key: str, visitor: Visitor) -> bool:
        """Count a try, and say whether it has a line of its own.

        Args:
            key: Of the session.
            visitor: Who tries.
        """
        now = self._clock()
        with self._lock:
            since, n, _ = self._counted.get(key, (now, 0, visitor))
            self._counted[key] = since, n + 1, visitor
            return n < MOST

    def ended(self) -> list[tuple[Visitor, int]]:
        """Forget minutes that are over; give whose had more tries than lines, and how many more."""
        now = self._clock()
        with self._lock:
            over = {key: one for key, one in self._counted.items() if now - one[0] > SPAN_S}
            for key in over:
                del self._counted[key]
        return [(visitor, n - MOST) for _, n, visitor in over.values() if n > MOST]
