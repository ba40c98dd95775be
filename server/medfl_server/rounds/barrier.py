"""When a round's sites are asked for what, and when it is over: the policy of a `Collection`.

A synchronous round has a barrier: every site works on the round's weights, and updates are
aggregated in the roster's order. Without a barrier see `PendingTasks`.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

from medfl_common.models.weights import Weights
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import Kind
from medfl_server.rounds.asked_sites import Asked
from medfl_server.rounds.late_replies import LateReplies


class Barrier(Protocol):
    """What a `Collection` asks its policy."""

    in_order: bool  # whether updates are aggregated in the roster's order, or as they come

    def begin_round(self, kind: Kind, round_: int, weights: Weights) -> None:
        """Take the weights of a round that begins, or of another question."""

    def still_out(self, sites: Container[str]) -> Mapping[str, Asked]:
        """Give the tasks from before whose replies count now, of some sites."""

    def round_of(self, site: str) -> int:
        """Say for which round a site works, or would if it were asked now."""

    def weights_of(self, round_: int) -> Weights:
        """Give the weights that are handed out for a round."""

    def begin(self, site: str, round_: int) -> None:
        """Note that a site is at work."""

    def end(self, site: str) -> None:
        """Note that a site has answered, or will not."""

    def to_look_at(self, out: Sequence[str]) -> list[str]:
        """List the sites whose reply may have come, of those that are out."""

    def is_made(self, n_answered: int, quorum: int) -> bool:
        """Say whether the round is made, though others could answer too."""

    def why_too_old(self, result: TrainResult) -> str:
        """Say why an update comes too late for this round; empty: it does not."""

    def end_round(self, out: Mapping[str, Asked]) -> None:
        """Take the tasks that are still out when a round is closed."""

    def why_missing(self, was_asked: bool) -> str | None:
        """Say why a site has not answered; None: it need not have."""


class RoundBarrier:
    """All work on one round's weights; who is late for it is dropped.

    A round without a quorum is asked again, and who is still at work on it goes on.

    Args:
        late: Who drops replies that come after the round.
    """

    in_order = True

    def __init__(self, late: LateReplies) -> None:
        self._late = late
        self._kind: Kind = "train"
        self._round = 0
        self._weights: Weights = {}

    def begin_round(self, kind: Kind, round_: int, weights: Weights) -> None:
        """Take the weights of the round."""
        self._kind, self._round, self._weights = kind, round_, weights

    def still_out(self, sites: Container[str]) -> Mapping[str, Asked]:
        """Expect what was asked of this very round before; nothing of others."""
        return self._late.take_back(self._kind, self._round, sites)

    def round_of(self, site: str) -> int:
        """Give this round."""
        return self._round

    def weights_of(self, round_: int) -> Weights:
        """Give this round's weights."""
        return self._weights

    def begin(self, site: str, round_: int) -> None:
        """Keep no account: a site that was not heard of is out."""

    def end(self, site: str) -> None:
        """Keep no account."""

    def to_look_at(self, out: Sequence[str]) -> list[str]:
        """List all."""
        return [*out]

    def is_made(self, n_answered: int, quorum: int) -> bool:
        """Wait for all, until the deadline."""
        return False

    def why_too_old(self, result: TrainResult) -> str:
        """Take every update: it is of this round."""
        return ""

    def end_round(self, out: Mapping[str, Asked]) -> None:
        """Expect no more from who is still out than late replies."""
        self._late.expect(self._kind, self._round, out)

    def why_missing(self, was_asked: bool) -> str | None:
        """Say whether the site was too slow or away."""
        return "no reply before the deadline" if was_asked else "not connected"
