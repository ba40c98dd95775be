"""Who was sent a task in this round, who is to be sent one, and when to ask again."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flwr.app import RecordDict

from medfl_common.errors import MEANING
from medfl_common.wire.digest import n_bytes
from medfl_server.superlink.transport import Announce, ConnectedSite, Post

# Before a site that has not approved the plan is asked again: at first, and after many times.
AGAIN_S, AGAIN_MOST_S = 5.0, 60.0


@dataclass
class Asked:
    """A task that a site was sent."""

    to: ConnectedSite
    message: str | None  # the id to fetch under; None: no reply will come for it
    n_bytes: int
    digest: str  # of the task, which the reply names; empty: nobody signs
    again_at: float = math.inf  # on the monotonic clock, where no reply will come
    at: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Say how long ago that was."""
        return time.monotonic() - self.at


class AskedSites:
    """The tasks of a round by site.

    Args:
        roster: The sites of the round, in order.
        post: Where tasks go.
        announce: Takes one line per event.
        is_done: Says whether a site has answered or will not.
        is_busy: Says whether a site is still at work on a round that is closed.
    """

    def __init__(
        self,
        roster: Sequence[str],
        post: Post,
        announce: Announce,
        is_done: Callable[[str], bool],
        is_busy: Callable[[str, ConnectedSite], bool],
    ) -> None:
        self._roster = roster
        self._post = post
        self._announce = announce
        self._is_done = is_done
        self._is_busy = is_busy
        self._told: set[tuple[str, int]] = set()  # what was announced of a site already
        self._n_put_off: Counter[str] = Counter()
        self._tasks: dict[str, Asked] = {}

    def __contains__(self, site: object) -> bool:
        """Say whether a site was asked."""
        return site in self._tasks

    def __getitem__(self, site: str) -> Asked:
        """Give what a site was asked last."""
        return self._tasks[site]

    def take_over(self, still_out: Mapping[str, Asked]) -> None:
        """Take the tasks of rounds before that may still be answered."""
        roster = set(self._roster)
        self._tasks = {site: asked for site, asked in still_out.items() if site in roster}

    def newly_present(self) -> dict[str, ConnectedSite]:
        """List the sites to ask: connected, without an answer, not asked in this session.

        A site that said "not yet" is asked again after a while, one that is busy once it is free.
        """
        present, now = self._post.connected_sites(), time.monotonic()
        return {
            site: present[site]
            for site in self._roster
            if site in present
            and not self._is_done(site)
            and not self._is_busy(site, present[site])
            and (
                site not in self._tasks
                or self._tasks[site].to != present[site]
                or now >= self._tasks[site].again_at
            )
        }

    def send(self, site: str, to: ConnectedSite, content: RecordDict, round_: int) -> None:
        """Sign and send a task for a round."""
        if site in self._tasks and self._tasks[site].to != to:
            self._announce(f"{site} is back; the coordinator asks it again")
        size, digest = n_bytes(content), self._post.sign(content, site)
        self._tasks[site] = Asked(to, self._post.send(to, content, round_), size, digest)

    def out(self) -> list[str]:
        """List the sites whose reply may still come, in the roster's order."""
        return [
            site
            for site in self._roster
            if site in self._tasks and self._tasks[site].message and not self._is_done(site)
        ]

    def ask_anew(self, site: str) -> None:
        """Forget that a site was asked."""
        del self._tasks[site]

    def put_off_for(self, site: str, seconds: float) -> None:
        """Note that no reply will come to what was asked, and when to ask again."""
        asked = self._tasks[site]
        asked.message, asked.again_at = None, time.monotonic() + seconds

    def put_off(self, site: str, code: int) -> None:
        """Note that a site cannot answer yet, and when to ask again; say so once a round."""
        self.put_off_for(site, min(AGAIN_S * (1 + self._n_put_off[site]), AGAIN_MOST_S))
        self._n_put_off[site] += 1
        if (site, code) not in self._told:
            self._told.add((site, code))
            self._announce(
                f"waiting for {site}: {MEANING[code]} (MEDFL-E{code}); the coordinator keeps asking"
            )
