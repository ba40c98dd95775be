"""Who has a place in which of the studies at this port, as their rosters are now.

A hospital has one pair of keys, and may have a place in several studies. So Flower knows it once,
and its connection lasts while any study has it.
"""

import threading
from collections.abc import Callable

from medfl_server.roster.enrolment import Enrolled, Roster

Announce = Callable[[str], None]  # one line for the coordinator's eyes
REVOKED = "{name}'s keys are revoked; they are refused from now on"


class Hospitals:
    """The hospitals of one study.

    Args:
        roster: Returns them with their present keys; it may change meanwhile.
        announce: Takes one line for the coordinator's eyes.
    """

    def __init__(self, roster: Callable[[], Roster], announce: Announce) -> None:
        self._roster = roster
        self._announce = announce
        self._has_begun = False  # who is enrolled from here on is news
        self.keys: dict[str, str] = {}  # name -> line of the key that Flower knows

    def follow(self) -> None:
        """See who is new, and who has other keys or none any more."""
        roster = self._roster()
        for name, line in list(self.keys.items()):
            if name not in roster or roster[name].transport != line:
                del self.keys[name]
                self._announce(REVOKED.format(name=name))
        for name, site in roster.items():
            if name not in self.keys:
                self.keys[name] = site.transport
                if self._has_begun:
                    self._announce(f"{name} is enrolled with {site.fingerprint}")
        self._has_begun = True

    def enrolled(self, line: str) -> tuple[str, Enrolled] | None:
        """Give who has a key; None: nobody here."""
        return next(((n, s) for n, s in self._roster().items() if s.transport == line), None)

    def announce(self, line: str) -> None:
        """Say a line to this study's coordinator."""
        self._announce(line)


class Places:
    """The hospitals of all studies at a port.

    Args:
        enter: Has Flower take a key; gives its number.
        put_out: Has Flower refuse a number's key from now on.
    """

    def __init__(self, enter: Callable[[str], int], put_out: Callable[[int], None]) -> None:
        self._enter, self._put_out = enter, put_out
        self._lock = threading.Lock()  # the loop of each study asks
        self._studies: list[Hospitals] = []
        self._nodes: dict[str, int] = {}  # line of a key -> Flower's number

    def add(self, study: Hospitals) -> None:
        """Take the hospitals of a study in."""
        self._studies.append(study)
        self.follow()

    def follow(self) -> None:
        """Let new hospitals in, and put those out whom no study has any more."""
        with self._lock:
            for study in self._studies:
                study.follow()
            lines = dict.fromkeys(line for study in self._studies for line in study.keys.values())
            for line in [line for line in self._nodes if line not in lines]:
                self._put_out(self._nodes.pop(line))
            for line in lines:
                if line not in self._nodes:
                    self._nodes[line] = self._enter(line)

    def nodes(self, study: Hospitals) -> dict[str, int]:
        """Give Flower's number of each hospital of a study."""
        with self._lock:
            return {name: self._nodes[line] for name, line in study.keys.items()}

    def whose(self, node: int) -> tuple[Hospitals, str, Enrolled] | None:
        """Give a study, name and keys of who has a number; None: nobody any more."""
        with self._lock:
            line = next((line for line, known in self._nodes.items() if known == node), "")
        for study in self._studies:
            if (found := study.enrolled(line)) is not None:
                return study, *found
        return None
