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
    """

    def __init__(
        self, stamp: Callable[[], Hashable], render: Callable[[], Mapping[str, str]]
    ) -> None:
        self._stamp, self._render = stamp, render
        self._seen: Hashable = object()
        self._looked = -LOOK_S
        self.parts: dict[str, str] = {}
        self.versions: dict[str, int] = {}  # of each part; it grows when the part changes
        self._n = 0
        self._lock = threading.Lock()  # two who look at once

    def look(self) -> None:
        """Render anew what may have changed."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        stamp = self._stamp()
        if stamp == self._seen:
            return
        rendered = self._render()
        self._n += 1
        for name, html in rendered.items():
            if self.parts.get(name) != html:
                self.parts[name], self.versions[name] = html, self._n
        self._seen = stamp

    def news(self, seen: Mapping[str, int]) -> dict[str, str]:
        """Give the parts that a viewer does not have yet.

        Args:
            seen: The version of each part that the viewer has.
        """
        return {
            name: self.parts[name] for name, n in self.versions.items() if seen.get(name, 0) != n
        }
