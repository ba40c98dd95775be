"""How long a study waits: the plan's seconds, or as the sites' own times in the run log say.

A site's time is from the question to its answer, as the coordinator sees it: waiting, reading the
images, training, and both ways on the line.
"""

import math
from collections import defaultdict, deque
from collections.abc import Container, Iterable

from medfl_common.plan.federation import Federation
from medfl_common.plan.halves import at_coordinator
from medfl_common.run.events import Event, LateReply, Resumed, RoundMade, RoundWithoutQuorum

ROOM = 1.5  # times the seconds that were seen
N_TIMES = 5  # of a site's times the last count
FIRST_S = 3600.0  # `auto`: where no time is known, and for a scoring, which is one for all
LEAST_S, MOST_S = 10.0, 86_400.0  # `auto`


def patience_s(federation: Federation) -> float:
    """Say how long a question waits that is not asked each round: a scoring, or counts."""
    return FIRST_S if federation.deadline_s == "auto" else federation.deadline_s


def longest_s(federation: Federation) -> float:
    """Say how long a round waits at the most."""
    return MOST_S if federation.deadline_s == "auto" else federation.deadline_s


class SeenTimes:
    """The last times of each site, late answers included, from the events of a log in order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._times: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=N_TIMES))
        self._n_empty = 0  # rounds without a quorum since the last one made, in this sitting
        for event in events:
            self.note(event)

    def note(self, event: Event) -> None:
        """Take in one more event."""
        if isinstance(event, LateReply):
            self._times[event.site].append(event.seconds)
        elif isinstance(event, RoundMade | RoundWithoutQuorum):
            for site, reply in event.sites.items():
                self._times[site].append(reply.seconds_to_answer)
        if isinstance(event, RoundWithoutQuorum):
            self._n_empty += 1
        elif isinstance(event, RoundMade | Resumed):
            self._n_empty = 0

    def slowest(self) -> dict[str, float]:
        """Give the slowest of the last times of each site."""
        return {site: max(own) for site, own in self._times.items()}

    def deadline_s(self, roster: Container[str]) -> float:
        """Say how long the next round of `auto` waits; it follows from the run log alone."""
        known = [s for site, s in self.slowest().items() if site in roster]
        return following(known, self._n_empty)


def following(times: Iterable[float], n_empty: int = 0) -> float:
    """Say how long a round of `auto` waits.

    Args:
        times: Seconds that each site needed.
        n_empty: Rounds without a quorum since the last one made.
    """
    slowest = max(times, default=0.0)
    first = max(LEAST_S, math.ceil(ROOM * slowest)) if slowest else FIRST_S
    return min(MOST_S, first * 2.0 ** min(n_empty, 20))


def advice(federation: Federation, site: str, seconds: float, is_done: bool = True) -> str:
    """Say what the deadline should be for a site that took so long; empty: it is long enough.

    Without a barrier none is too short for who has answered: a round waits for so many.

    Args:
        federation: Of the plan.
        site: The slow one.
        seconds: How long it took, or has been at work so far.
        is_done: Whether it has answered.
    """
    deadline_s, needed = federation.deadline_s, math.ceil(seconds)
    if deadline_s == "auto" or (is_done and at_coordinator(federation).buffer is not None):
        return ""
    if seconds <= deadline_s:
        return ""
    more = "" if is_done else "more than "
    return (
        f"{site} needs {more}{needed} s, the deadline is {deadline_s:g} s; set "
        f"federation.deadline_s to at least {math.ceil(ROOM * needed)}"
    )


def all_advice(federation: Federation, events: Iterable[Event]) -> list[str]:
    """Say it of each site that a run log knows as too slow."""
    times = SeenTimes(events).slowest()
    lines = (advice(federation, site, seconds) for site, seconds in times.items())
    return [line for line in lines if line]
