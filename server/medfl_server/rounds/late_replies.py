"""Replies that come after their round was closed: fetched, noted and dropped.

Flower would keep them in memory until their time is over.
"""

import time

from medfl_common.run.events import LateReply
from medfl_common.run.log import RunLog
from medfl_common.wire.results import brings_work
from medfl_server.superlink.transport import Announce, Post

LOOK_EVERY_S = 1.0


class LateReplies:
    """What was asked in rounds that are closed, and may still be answered."""

    def __init__(self, post: Post, log: RunLog, announce: Announce) -> None:
        self._post = post
        self._log = log
        self._announce = announce
        self._out: list[tuple[str, int, str]] = []  # site, round, message
        self._looked = 0.0

    def expect(self, site: str, round_: int, message: str) -> None:
        """Note that a site was asked and did not answer in time."""
        self._out.append((site, round_, message))

    def drop_arrived(self) -> None:
        """Fetch what has come by now, write it into the run log, and forget it."""
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        for asked in list(self._out):
            site, round_, message = asked
            arrival = self._post.fetch(message)
            if arrival is None:
                continue
            self._out.remove(asked)  # an error, or a refusal, is no answer that came too late
            if arrival.content is not None and brings_work(arrival.content):
                self._log.add(LateReply.of(site, round_))
                self._announce(
                    f"{site} answered round {round_} too late; the coordinator dropped its reply"
                )
