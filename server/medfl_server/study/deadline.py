"""What the plan's deadline should be, from the times in the run log.

A site's time is from the question to its answer, as the coordinator sees it: waiting, reading the
images, training, and both ways on the line.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from medfl_common.plan.federation import Federation
from medfl_common.plan.halves import at_coordinator
from medfl_common.run.events import Event, LateReply, RoundMade, RoundWithoutQuorum

ROOM = 1.5  # times the seconds that were seen
N_TIMES = 3  # of a site's times the last count


def times_of(events: Iterable[Event]) -> dict[str, float]:
    """Give the slowest of the last times of each site, late answers included."""
    times: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if isinstance(event, LateReply):
            times[event.site].append(event.seconds)
        elif isinstance(event, RoundMade | RoundWithoutQuorum):
            for site, reply in event.sites.items():
                times[site].append(reply.seconds_to_answer)
    return {site: max(own[-N_TIMES:]) for site, own in times.items()}


def advice(federation: Federation, site: str, seconds: float, is_done: bool = True) -> str:
    """Say what the deadline should be for a site that took so long; empty: it is long enough.

    Without a barrier no deadline is too short: a round waits for so many, not for all.
    """
    deadline_s, needed = federation.deadline_s, math.ceil(seconds)
    if at_coordinator(federation).buffer is not None or seconds <= deadline_s:
        return ""
    more = "" if is_done else "more than "
    return (
        f"{site} needs {more}{needed} s, the deadline is {deadline_s:g} s; set "
        f"federation.deadline_s to at least {math.ceil(ROOM * needed)}"
    )


def all_advice(federation: Federation, events: Iterable[Event]) -> list[str]:
    """Say it of each site that a run log knows as too slow."""
    lines = (advice(federation, site, seconds) for site, seconds in times_of(events).items())
    return [line for line in lines if line]
