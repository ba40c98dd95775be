"""What waits in memory for the same person's next step: a file to save, a change to confirm."""

import secrets
import threading
import time
from typing import Generic, TypeVar

Value = TypeVar("Value")
MOST, LASTS_S = 20, 900.0


class HandedOut(Generic[Value]):
    """Keeps a few values for a quarter of an hour, each under a token of its own."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Value, str, float]] = {}
        self._lock = threading.Lock()

    def put(self, value: Value, who: str) -> str:
        """Keep a value for a person; give its token. The oldest goes where there are too many."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._forget_old()
            while len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[token] = (value, who, time.monotonic() + LASTS_S)
        return token

    def get(self, token: str, who: str) -> Value:
        """Give the value back to the same person; KeyError for another, or too late."""
        with self._lock:
            self._forget_old()
            value, owner, _ = self._kept[token]
        if owner != who:
            raise KeyError(token)
        return value

    def take(self, token: str, who: str) -> Value:
        """Do as `get` does, once."""
        value = self.get(token, who)
        with self._lock:
            self._kept.pop(token)
        return value

    def _forget_old(self) -> None:
        now = time.monotonic()
        self._kept = {token: one for token, one in self._kept.items() if one[2] >= now}
