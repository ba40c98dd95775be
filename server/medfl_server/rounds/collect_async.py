"""An asynchronous round's replies: as many as make one; who is at work goes on in the next round.

No reply waits for its turn: they are folded as they come, in a simulation by its own clock.
"""

from typing import Any

from flwr.app import ArrayRecord, RecordDict

from medfl_common.models.weights import Weights
from medfl_common.plan.halves import at_coordinator
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import pack_weights
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.pending import PendingTasks
from medfl_server.superlink.transport import ConnectedSite


class AsynchronousCollection(Collection):
    """Closed as soon as the quorum has answered; see `Collection` and `PendingTasks`."""

    def __init__(self, flight: PendingTasks, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._flight = flight
        federation = self._study.plan.federation
        buffer = at_coordinator(federation).buffer
        assert buffer is not None
        self._most_key = buffer.max_staleness
        self._most = int(getattr(federation.options, buffer.max_staleness))
        self._packed: dict[int, ArrayRecord] = {}  # by the round that they were handed out for
        self._round = 0

    def _begin(self, round_: int, weights: Weights, packed: ArrayRecord) -> None:
        self._flight.begin_round(round_, weights)
        self._round, self._packed = round_, {round_: packed}
        self._asked = {s: a for s, a in self._flight.asked.items() if s in self._enrolled}

    def _round_of(self, site: str) -> int:
        return self._flight.round_of(site, self._round)

    def _packed_for(self, round_: int) -> ArrayRecord:
        if round_ not in self._packed:
            weights = self._flight.weights_of(round_)
            self._packed[round_] = pack_weights(weights, self._study.plan)
        return self._packed[round_]

    def _ask(
        self, site: str, connected_sites: ConnectedSite, content: RecordDict, round_: int
    ) -> None:
        super()._ask(site, connected_sites, content, round_)
        self._flight.begin(site, round_)

    def _to_look_at(self) -> list[str]:
        return self._flight.to_look_at(self._out())

    def _is_enough(self, quorum: int) -> bool:
        return len(self._replies.answered) >= quorum

    def _why_nothing(self, result: TrainResult) -> str:
        if not result.code and self._round - result.round > self._most:
            return f"its update is for round {result.round}, too old (options.{self._most_key})"
        return super()._why_nothing(result)

    def _pass_in_turn(self, site: str, result: TrainResult) -> None:
        self._fold(site, result)
        self._flight.end(site)

    def _fail(self, site: str, reason: str) -> None:
        self._flight.end(site)
        super()._fail(site, reason)

    def _leave(self, round_: int) -> None:
        self._flight.asked.update({site: self._asked[site] for site in self._out()})

    def _why_missing(self, site: str) -> str | None:
        return None if site in self._asked else super()._why_missing(site)
