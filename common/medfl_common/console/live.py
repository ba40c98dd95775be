"""Parts of a page that follow files: rendered once for all who look, sent when they changed."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping

LOOK_S = 0.4  # files are looked at no more often


class Live:
    """The parts of one page.

    Args:
        stamp: Gives what changes when the parts may; it is cheap, such as sizes and times of files.
        render: Gives the parts as HTML, by the id of their element.
        every_s: How often files are looked at; None: each LOOK_S.
    """

    def __init__(
        self, stamp: Callable[[], Hashable], render: Callable[[], Mapping[str, str]],
        every_s: float | None = None,
    ) -> None:  # fmt: skip
        self._stamp, self._render = stamp, render
        self._every_s = LOOK_S if every_s is None else every_s
        self._seen: Hashable = object()
        self._looked = -self._every_s
        self.parts: dict[str, str] = {}
        self.versions: dict[str, int] = {}  # of each part; it changes when the part does
        self._n = int(time.time() * 1000)  # a viewer's versions of an earlier console are older
        self._lock = threading.Lock()  # two who look at once

    def is_due(self) -> bool:
        """Say whether it is time to look again."""
        return time.monotonic() - self._looked >= self._every_s

    def look(self) -> None:
        """Render anew what may have changed."""
        with self._lock:
            if self.is_due():
                self._look()

    def _look(self) -> None:
        self._looked = time.monotonic()
        stamp = self._stamp()
        if stamp == self._seen:
            return
        rendered = self._render()
        self._n += 1
        changed = {name: html for name, html in rendered.items() if self.parts.get(name) != html}
        # Whole new dictionaries: viewers read without the lock.
        self.parts = {**self.parts, **changed}
        self.versions = {**self.versions, **dict.fromkeys(changed, self._n)}
        self._seen = stamp

    def now(self) -> tuple[dict[str, str], dict[str, int]]:
        """Give all parts, and the version of each; a part is never older than its version."""
        versions = self.versions
        return self.parts, versions

    def news(self, seen: Mapping[str, int]) -> tuple[dict[str, str], dict[str, int]]:
        """Give the parts that a viewer does not have yet, and their versions.

        Args:
            seen: The version of each part that the viewer has.
        """
        versions = self.versions
        new = {name: n for name, n in versions.items() if seen.get(name, 0) != n}
        return {name: self.parts[name] for name in new}, new
