"""One study as it is at a moment: what its files say, put together for the pages."""

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from medfl_common.errors import RunError
from medfl_common.files import holder
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_server.console.facts import StudyFacts
from medfl_server.console.moment import ENDS, RESTS, WAITS, Moment, moment_in
from medfl_server.roster.enrolment import LiveRoster, Roster
from medfl_server.roster.invitations import Invited, waiting
from medfl_server.study.pause_wish import wish_in
from medfl_server.study.run_directory import open_study
from medfl_server.study.stop_wish import stop_in

TICK_S = 5.0  # while a study runs, slowness is looked at anew

Mark = tuple[int, ...] | None


@dataclass(frozen=True)
class State:
    """A study at a moment.

    word: finished, paused, new, halted (it should run, and does not); while `run` is alive:
    starting, waits (for hospitals), works (a question is open), rests (a person wishes it), ends.
    """

    word: str
    plan: Plan
    facts: StudyFacts
    roster: Roster
    asks: dict[str, Invited]
    now: float  # seconds since 1970
    moment: Moment | None = None
    wish: str = ""  # of a person, that the study rest
    ends: str = ""  # of a person, that it end

    @property
    def is_running(self) -> bool:
        """Say whether `run` is alive."""
        return self.word in ("starting", "waits", "works", "ends", "rests")

    @property
    def is_over(self) -> bool:
        """Say whether no round follows."""
        return self.word == "finished"

    @property
    def n_rounds(self) -> int:
        """Count the plan's rounds."""
        return self.plan.federation.rounds


class Followed:
    """One study's directory, whose files are looked at again and again.

    Args:
        folder: The study's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.files = folder, RunFolder(folder)
        self.lock = threading.RLock()
        self._roster = LiveRoster(folder)
        self._plan: Plan | None = None
        self._plan_seen: Hashable = object()
        self._facts: StudyFacts | None = None

    @property
    def name(self) -> str:
        """Give the directory's name: where it is on the machine is for who runs commands there."""
        return self.folder.resolve().name

    def placed(self, text: str) -> str:
        """Write a text with files named by their place in the directory, not on the machine."""
        for place in dict.fromkeys((self.folder.resolve(), self.folder)):
            text = text.replace(f"{place}/", "").replace(str(place), self.name)
        return text

    def stamp(self) -> Hashable:
        """Give what changes when the study may look different: sizes and times of files."""
        files = self.files
        seen = (
            files.log, files.live, files.roster, files.facts, files.plan_file, files.pause,
            files.invitations, files.stop,
        )  # fmt: skip
        pid = self._pid()
        tick = int(time.time() / TICK_S) if pid else 0
        return tuple(map(mark, seen)), pid, tick

    def state(self) -> State:
        """Read what is new. Raises MedflError where the study cannot be opened."""
        with self.lock:
            try:
                return self._state()
            except (KeyError, TypeError, ValueError, AttributeError):
                raise RunError(
                    "a file of this study is damaged",
                    todo=f"medfl-server doctor {self.name} says which",
                ) from None

    def _pid(self) -> str:
        try:
            return holder(self.folder)
        except OSError:
            return ""

    def _state(self) -> State:
        plan, facts = self._opened()
        facts.read()
        pid = self._pid()
        wish, stop = wish_in(self.folder), stop_in(self.folder)
        moment = moment_in(self.files.live, pid) if pid else None
        word = _of_running(moment, facts) if pid else _of_resting(facts, wish is not None)
        return State(
            word, plan, facts, self._roster(), waiting(self.folder), time.time(), moment,
            wish.in_words if wish else "", stop.in_words if stop else "",
        )  # fmt: skip

    def _opened(self) -> tuple[Plan, StudyFacts]:
        seen = (mark(self.files.plan_file), mark(self.files.facts))
        if self._plan is None or self._facts is None or seen != self._plan_seen:
            plan = open_study(self.folder).plan
            is_same = self._plan is not None and plan.task == self._plan.task
            if not is_same or self._facts is None:
                self._facts = StudyFacts(self.files, plan)
            self._plan, self._plan_seen = plan, seen
        return self._plan, self._facts


def _of_running(moment: Moment | None, facts: StudyFacts) -> str:
    if moment is None:  # after the end hospitals are told of it, or have the result scored
        return "finished" if facts.state is Finished else "starting"
    return {WAITS: "waits", RESTS: "rests", ENDS: "ends"}.get(moment.kind, "works")


def _of_resting(facts: StudyFacts, is_paused: bool) -> str:
    if facts.state is Finished:
        return "finished"
    if is_paused:
        return "paused"
    if not facts.is_begun:
        return "new"
    return "halted"


def mark(path: Path) -> Mark:
    """Give what changes when a file is written or replaced; None: it is not there."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
