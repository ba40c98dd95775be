"""Replies that come after their round was closed: fetched, noted and dropped.

Flower would keep them in memory until their time is over. A site that still owes one is at work,
and is not given more; where the same is asked again, its reply counts.
"""

import time
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from medfl_common.plan.federation import Federation
from medfl_common.run.events import LateReply
from medfl_common.run.log import RunLog
from medfl_common.wire.digest import brings_work
from medfl_common.wire.tasks import Kind
from medfl_server.rounds.asked_sites import Asked
from medfl_server.study.deadline import advice
from medfl_server.superlink.transport import Announce, ConnectedSite, Post

LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Owed:
    """What a site was asked in a round that is closed, and may still answer."""

    kind: Kind
    round: int
    asked: Asked

    def __str__(self) -> str:
        """Name the work."""
        if self.kind == "train":
            return f"round {self.round}"
        others = {"describe": "its statistics", "evaluate": "a scoring", "test": "a scoring"}
        return others.get(self.kind, "the keys of a secure sum")


class LateReplies:
    """What was asked in rounds that are closed, and may still be answered.

    Args:
        post: Where replies come from.
        log: Takes the events.
        announce: Takes one line per event.
        federation: Says the deadline, for advice.
    """

    def __init__(self, post: Post, log: RunLog, announce: Announce, federation: Federation) -> None:
        self._post = post
        self._log = log
        self._announce = announce
        self._federation = federation
        self._owed: dict[str, list[Owed]] = {}
        self._told: set[str] = set()  # advice
        self._looked = 0.0

    def expect(self, kind: Kind, round_: int, out: Mapping[str, Asked]) -> None:
        """Note who was asked and did not answer in time."""
        for site, asked in out.items():
            self._owed.setdefault(site, []).append(Owed(kind, round_, asked))
        if out:
            work = Owed(kind, round_, next(iter(out.values())))
            self._announce(f"still at work on {work}, asked again when free: {', '.join(out)}")
        self._looked = 0.0

    def take_back(self, kind: Kind, round_: int, sites: Container[str]) -> dict[str, Asked]:
        """Give what some sites owe of a round that is asked again: it is not late for it."""
        found: dict[str, Asked] = {}
        for site in [site for site in self._owed if site in sites]:
            for owed in list(self._owed[site]):
                if (owed.kind, owed.round) == (kind, round_):
                    found[site] = owed.asked
                    self._forget(site, owed)
        return found

    def work_of(self, site: str, connected: ConnectedSite | None) -> Owed | None:
        """Say what a site is still at work on; None: it is free. One that came back is."""
        return next((one for one in self._owed.get(site, ()) if one.asked.to == connected), None)

    def is_busy(self, site: str, connected: ConnectedSite) -> bool:
        """Say whether a site is still at work on something."""
        return self.work_of(site, connected) is not None

    def busy(self, sites: Iterable[str]) -> dict[str, str]:
        """Say of those that are still at work what on."""
        present = self._post.connected_sites() if self._owed else {}
        work = {site: self.work_of(site, present.get(site)) for site in sites}
        return {site: f"still at work on {owed}" for site, owed in work.items() if owed}

    def drop_arrived(self) -> bool:
        """Fetch what has come by now, write it into the run log, and forget it; say if any was."""
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return False
        self._looked, n_late = time.monotonic(), 0
        for site, owed in [(site, owed) for site, all_ in self._owed.items() for owed in all_]:
            arrival = self._post.fetch(owed.asked.message or "")
            if arrival is None:
                continue
            self._forget(site, owed)  # an error, or a refusal, is no answer that came too late
            if arrival.content is not None and brings_work(arrival.content):
                self._tell_late(site, owed)
                n_late += 1
        return n_late > 0

    def unfinished(self) -> list[str]:
        """Say of each site that is at work on a round how long it has been, with advice."""
        present, lines = self._post.connected_sites(), []
        for site in self._owed:
            owed = self.work_of(site, present.get(site))
            if owed is not None and owed.kind == "train":
                seconds = owed.asked.seconds()
                told = advice(self._federation, site, seconds, is_done=False)
                lines.append(told or f"{site} has been at work on {owed} for {seconds:.0f} s")
        return lines

    def advise(self, site: str, seconds: float) -> None:
        """Say what the deadline should be for a site that took so long, where it is news."""
        if (line := advice(self._federation, site, seconds)) and line not in self._told:
            self._told.add(line)
            self._announce(line)

    def _tell_late(self, site: str, owed: Owed) -> None:
        seconds = owed.asked.seconds()
        self._log.add(LateReply.of(site, owed.round, round(seconds, 3)))
        self._announce(f"{site} answered {owed} too late; the coordinator dropped its reply")
        if owed.kind == "train":
            self.advise(site, seconds)

    def _forget(self, site: str, owed: Owed) -> None:
        self._owed[site].remove(owed)
        if not self._owed[site]:
            del self._owed[site]
