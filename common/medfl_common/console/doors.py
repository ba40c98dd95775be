"""Who is in: one-time links and sessions. Only digests of their secrets are kept."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LINK_S = 600.0  # a link waits this long for its one use
IDLE_S = 1800.0  # a session that asks nothing ends
SESSION_S = 12 * 3600.0  # and each one ends after this


@dataclass
class Visitor:
    """Who has come in, as what, and how."""

    who: str
    role: str
    how: str  # "link", "password", "proxy"
    began: float
    seen: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))


class Doors:
    """Gives links and sessions, and says whose they are.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._links: dict[str, tuple[str, str, float]] = {}
        self._visitors: dict[str, Visitor] = {}

    def link(self, who: str, role: str) -> str:
        """Make a code that lets one person in once, within ten minutes."""
        code = secrets.token_urlsafe(32)
        self._links[_digest(code)] = (who, role, self._clock() + LINK_S)
        return code

    def enter(self, code: str) -> str | None:
        """Take a code, and give the key of a new session; None: it is unknown, used or too old."""
        found = self._links.pop(_digest(code), None)
        if found is None or found[2] < self._clock():
            return None
        return self.admit(found[0], found[1], "link")

    def admit(self, who: str, role: str, how: str) -> str:
        """Give the key of a new session to who is known."""
        key, now = secrets.token_urlsafe(32), self._clock()
        self._visitors[_digest(key)] = Visitor(who, role, how, now, now)
        return key

    def visitor(self, key: str, is_asking: bool = True) -> Visitor | None:
        """Say whose session a key is; None: nobody's, or it is over.

        Args:
            key: Of the session.
            is_asking: Whether the person did something; what a page asks by itself keeps no
                session alive.
        """
        digest, now = _digest(key), self._clock()
        found = self._visitors.get(digest)
        if found is None:
            return None
        if now - found.seen > IDLE_S or now - found.began > SESSION_S:
            del self._visitors[digest]
            return None
        if is_asking:
            found.seen = now
        return found

    def leave(self, key: str) -> None:
        """End a session."""
        self._visitors.pop(_digest(key), None)

    def put_out(self, who: str) -> None:
        """End all sessions and links of a person, whose role has changed."""
        self._visitors = {d: v for d, v in self._visitors.items() if v.who != who}
        self._links = {d: link for d, link in self._links.items() if link[0] != who}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
