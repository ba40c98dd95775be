"""The deadline of the next round; a person hears where one that follows the sites has moved."""

from collections.abc import Callable, Container

from medfl_common.plan.federation import Federation
from medfl_server.study.deadline import ROOM, SeenTimes, longest_s
from medfl_server.superlink.transport import Announce


class RoundDeadline:
    """Says how long each round waits.

    Args:
        federation: Of the plan.
        times: What the sites' times were so far.
        is_simulated: Virtual sites are late by their own clock alone.
        announce: Takes one line per change.
    """

    def __init__(
        self,
        federation: Federation,
        times: Callable[[], SeenTimes],
        is_simulated: bool,
        announce: Announce,
    ) -> None:
        self._federation = federation
        self._times = times
        self._is_simulated = is_simulated
        self._announce = announce
        self._told = 0.0

    def seconds(self, roster: Callable[[], Container[str]]) -> float:
        """Give the deadline of the next round of these sites."""
        if self._is_simulated or self._federation.deadline_s != "auto":
            return longest_s(self._federation)
        now = self._times().deadline_s(roster())
        if not self._told / ROOM < now < self._told * ROOM:
            self._told = now
            self._announce(f"federation.deadline_s auto: a round waits {now:.0f} s")
        return now
