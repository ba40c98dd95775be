"""What a question hands out: a task for each site, and the weights that go with it, packed once."""

from flwr.app import ArrayRecord, RecordDict

from medfl_common.models.weights import Weights
from medfl_common.wire.tasks import Kind, TrainTask, encode_task, pack_weights
from medfl_server.rounds.barrier import Barrier
from medfl_server.rounds.sum_trip import SumTrip
from medfl_server.study.run_directory import Study


class HandedOut:
    """The tasks of one question.

    Args:
        study: The run directory and its plan.
        barrier: Says for which round a site works, and with which weights.
        trip: What a trip of a secure sum tells each site; None: it is none.
    """

    def __init__(self, study: Study, barrier: Barrier, trip: SumTrip | None) -> None:
        self._study = study
        self._barrier = barrier
        self._trip = trip
        self._beside: ArrayRecord | None = None
        self._packed: dict[int, ArrayRecord] = {}  # weights, by the round they are handed out for

    def begin(self, server_state: Weights | None) -> None:
        """Pack what the strategy keeps and the sites get beside the weights."""
        self._beside = pack_weights(server_state, self._study.plan) if server_state else None

    def task(self, kind: Kind, site: str) -> TrainTask:
        """Give the task of a site."""
        round_, plan = self._barrier.round_of(site), self._study.plan
        nonce = self._study.nonce(kind, round_, site)
        order = None if self._trip is None else self._trip.orders[site]
        return TrainTask(kind, self._study.run, round_, nonce, site, plan, {}, sum=order)

    def content(
        self, task: TrainTask, start: ArrayRecord | None, has_graphs: bool = False
    ) -> RecordDict:
        """Give what a site is sent, with what it is sent once."""
        return encode_task(task, self._weights_for(task.round), start, self._beside, has_graphs)

    def _weights_for(self, round_: int) -> ArrayRecord:
        if round_ not in self._packed:
            weights = self._barrier.weights_of(round_)
            self._packed[round_] = pack_weights(weights, self._study.plan)
        return self._packed[round_]
