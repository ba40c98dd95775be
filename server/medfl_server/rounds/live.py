"""`live.json`: what a study waits for at this moment, for pages that show it. The log is the truth.

The file is replaced whole, is not synced, and is true only while `pid` runs the study.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Literal

from medfl_common.files import Json
from medfl_common.run.events import RoundMade
from medfl_common.run.folder import RunFolder
from medfl_server.rounds.paused import PausedError
from medfl_server.rounds.quorum import Tell
from medfl_server.study.run_directory import Study

State = Literal["away", "asked", "answered", "failed", "waiting", "late"]
LEAST_S = 0.5  # between two looks at the sites
WAITS, RESTS, ENDS = "waiting for hospitals", "paused", "ending"  # between questions


@dataclass(frozen=True)
class SiteState:
    """What one site does for the question that is open.

    state: away: not connected; waiting: connected, and not asked yet, or asked again later; asked:
    at work; late: at work on an earlier question; answered; failed: it gives nothing this time.
    """

    state: State
    why: str = ""


@dataclass(frozen=True)
class Moment:
    """A question that is open: its kind, its round, when it was asked and when it closes."""

    kind: str  # of the task, or WAITS, RESTS, ENDS
    round: int
    since: float  # seconds since 1970
    deadline: float | None = None  # seconds since 1970
    quorum: int | None = None  # valid replies that are needed

    @classmethod
    def between(cls, kind: str, round_: int) -> "Moment":
        """Note that no question is open, since now."""
        return cls(kind, round_, round(time.time(), 1))

    def closing(self, after_s: float, quorum: int) -> "Moment":
        """Note when the question closes, and how many valid replies it needs."""
        closes = round(self.since + after_s, 1) if math.isfinite(after_s) else None
        return replace(self, deadline=closes, quorum=quorum)


class LiveFile:
    """The file of one study; nothing is written for virtual hospitals.

    Args:
        study: The run directory; None: nobody follows it.
    """

    def __init__(self, study: Study | None) -> None:
        self._study = study
        self._looked = -math.inf
        self._since: dict[str, tuple[object, float]] = {}
        self._written = ""
        self.forget()  # what an earlier process said: a new one may have its number

    def tell(
        self, moment: Callable[[], Moment], sites: Callable[[], Mapping[str, SiteState]]
    ) -> None:
        """Write what is so now where it is another, at most every LEAST_S."""
        if self._study is None or time.monotonic() - self._looked < LEAST_S:
            return
        self._looked = time.monotonic()
        self._write(self._study, moment(), sites())

    def rest(self, kind: str) -> None:
        """Write at once that no question is open."""
        if self._study is not None:
            made = self._study.log.read(RoundMade)
            round_ = made[-1].round if made else 0
            self._write(self._study, Moment.between(kind, round_), {})

    def forget(self) -> None:
        """Remove the file: nobody runs the study."""
        if self._study is not None:
            with suppress(OSError):
                self._study.files.live.unlink(missing_ok=True)

    def _write(self, study: Study, moment: Moment, sites: Mapping[str, SiteState]) -> None:
        question = (moment.kind, moment.round)
        told: dict[str, Json] = {}
        for site, one in sites.items():
            since = self._known(site, question, one)
            told[site] = {"state": one.state, "since": since, "why": one.why}
        facts = {"run": study.run, "pid": os.getpid(), **asdict(moment), "sites": told}
        text = json.dumps(facts)
        if text != self._written and _replace(study.files, text):
            self._written = text

    def _known(self, site: str, question: tuple[str, int], one: SiteState) -> float:
        """Say since when a site is in this state of this question."""
        key = (question, one)
        before, since = self._since.get(site, (None, 0.0))
        if before != key:
            since = round(time.time(), 1)
            self._since[site] = (key, since)
        return since


UNSEEN = LiveFile(None)


def waiting(live: LiveFile, made: int) -> Tell:
    """Give what writes who is there before a round, and who is not; `made` is the last round."""
    moment = Moment.between(WAITS, made)

    def tell(
        present: Sequence[str], away: Sequence[str], invited: Sequence[str], quorum: int
    ) -> None:
        live.tell(
            lambda: replace(moment, quorum=quorum),
            lambda: {
                **dict.fromkeys(present, SiteState("waiting")),
                **dict.fromkeys(away, SiteState("away")),
                **dict.fromkeys(invited, SiteState("away", "invited")),
            },
        )

    return tell


@contextmanager
def told_live(live: LiveFile) -> Iterator[None]:
    """Leave in the file that a study rests; of one that ends for another reason leave nothing."""
    try:
        yield
    except PausedError:
        live.rest(RESTS)
        raise
    except BaseException:
        live.forget()
        raise


def _replace(files: RunFolder, text: str) -> bool:
    partial = files.live.with_name(files.live.name + ".partial")
    try:
        partial.write_text(text)
        partial.replace(files.live)
    except OSError:  # a full disk: it is a hint, and the log waits for room
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    return True
