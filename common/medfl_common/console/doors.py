"""Who is in: one-time links and sessions. Only digests of their secrets are kept."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from medfl_common.console import links

IDLE_S = 1800.0  # a session that asks nothing ends
SESSION_S = 12 * 3600.0  # and each one ends after this


@dataclass(frozen=True)
class Visitor:
    """Who has come in, as what, and how."""

    who: str
    role: str
    how: str  # "link", "password", "proxy"
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    address: str = ""  # of the request that is answered


@dataclass
class _Session:
    visitor: Visitor
    mark: str
    began: float
    seen: float


def unmarked(who: str) -> str:
    """Give what never changes; where nobody keeps users."""
    return ""


class Doors:
    """Gives links and sessions, and says whose they are.

    Args:
        clock: Seconds that never go back.
        mark_of: Gives what changes when a person's role or password does; sessions end then.
        asked: The file of links that `--link` asks for; see links.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        mark_of: Callable[[str], str] = unmarked,
        asked: Path | None = None,
    ) -> None:
        self.clock = clock
        self.mark_of, self.asked = mark_of, asked
        self._links: dict[str, links.Link] = {}
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()  # passwords are checked in threads

    def link(self, who: str, role: str) -> str:
        """Make a code that lets one person in once, within ten minutes."""
        code = secrets.token_urlsafe(32)
        now = self.clock()
        with self._lock:
            self._links = {d: link for d, link in self._links.items() if link.until > now}
            self._links[links.digest(code)] = links.Link(who, role, now + links.LINK_S)
        return code

    def enter(self, code: str) -> str | None:
        """Take a code, and give the key of a new session; None: it is unknown, used or too old."""
        with self._lock:
            found = self._links.pop(links.digest(code), None)
        if found is None and self.asked is not None:
            found = links.take(self.asked, code)
        if found is None or found.until < self.clock():
            return None
        return self.admit(found.who, found.role, "link")

    def admit(self, who: str, role: str, how: str) -> str:
        """Give the key of a new session to who is known."""
        key, now, mark = secrets.token_urlsafe(32), self.clock(), self.mark_of(who)
        with self._lock:
            self._sessions = {d: s for d, s in self._sessions.items() if not _is_over(s, now)}
            self._sessions[_digest(key)] = _Session(Visitor(who, role, how), mark, now, now)
        return key

    def visitor(self, key: str, is_asking: bool = True) -> Visitor | None:
        """Say whose session a key is; None: nobody's, or it is over.

        Args:
            key: Of the session.
            is_asking: Whether the person did something; what a page asks by itself keeps no
                session alive.
        """
        digest, now = _digest(key), self.clock()
        with self._lock:
            found = self._sessions.get(digest)
        if found is None:
            return None
        if _is_over(found, now) or self.mark_of(found.visitor.who) != found.mark:
            self.leave(key)
            return None
        if is_asking:
            found.seen = now
        return found.visitor

    def leave(self, key: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(key), None)


def _is_over(session: _Session, now: float) -> bool:
    return now - session.seen > IDLE_S or now - session.began > SESSION_S


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
