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
            while len(self._kept) >= MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[token] = (value, who, time.monotonic() + LASTS_S)
        return token

    def get(self, token: str, who: str) -> Value:
        """Give the value back to the same person; KeyError for another, or too late."""
        value, owner, until = self._kept[token]
        if owner != who or time.monotonic() > until:
            raise KeyError(token)
        return value

    def take(self, token: str, who: str) -> Value:
        """Do as `get` does, once."""
        with self._lock:
            value = self.get(token, who)
            del self._kept[token]
        return value
