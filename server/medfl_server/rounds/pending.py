"""Rounds without a barrier: tasks that are not answered yet are kept from round to round.

A round is made as soon as its quorum has answered; updates are aggregated as they come, in a
simulation by its own clock. A site that has answered gets the newest weights in the next round; one
that is at work goes on with those it has. Which sites work on which weights is in the checkpoint,
with the weights: a study that goes on after a crash asks the same again, and gets the same.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from medfl_common.files import Json
from medfl_common.models.weights import Weights
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import Kind
from medfl_server.rounds.asked_sites import Asked
from medfl_server.rounds.late_replies import LateReplies

Speed = Callable[[str, int], float]  # (site, round) -> seconds that it takes, in a simulation
PREFIX = "in-flight-"


class PendingTasks:
    """Who works on what: a `Barrier` that holds nobody up.

    Args:
        option: The plan's option that says how old an update may be.
        max_staleness: Its value: rounds made since the update was asked for.
        speed: How long virtual sites take; None: real ones answer when they answer.
    """

    in_order = False

    def __init__(self, option: str, max_staleness: int, speed: Speed | None = None) -> None:
        self._option = option
        self._max_staleness = max_staleness
        self._speed = speed
        self._clock = 0.0  # of the simulation
        self._due: dict[str, float] = {}
        self._rounds: dict[str, int] = {}
        self._weights: dict[int, Weights] = {}
        self._round = 0  # the newest
        self._asked: dict[str, Asked] = {}  # in this process

    def begin_round(self, kind: Kind, round_: int, weights: Weights) -> None:
        """Keep what is handed out from now on, and what is still worked on."""
        self._weights = {r: self._weights[r] for r in set(self._rounds.values()) if r != round_}
        self._weights[round_], self._round = weights, round_

    def still_out(self, sites: Container[str]) -> Mapping[str, Asked]:
        """Give the tasks of rounds before that may still be answered."""
        return self._asked

    def round_of(self, site: str) -> int:
        """Say for which round a site works, or would if it were asked now."""
        return self._rounds.get(site, self._round)

    def weights_of(self, round_: int) -> Weights:
        """Give the weights that were handed out for a round."""
        return self._weights[round_]

    def begin(self, site: str, round_: int) -> None:
        """Note that a site is at work; asked again for the same, it goes on."""
        if self._rounds.get(site) == round_:
            return
        self._rounds[site] = round_
        if self._speed is not None:
            self._due[site] = self._clock + self._speed(site, round_)

    def end(self, site: str) -> None:
        """Note that a site has answered, or will not."""
        self._rounds.pop(site, None)
        self._asked.pop(site, None)
        self._clock = max(self._clock, self._due.pop(site, self._clock))

    def to_look_at(self, out: Sequence[str]) -> list[str]:
        """Say whose replies may have come, who was asked first to begin with.

        In a simulation it is the one that is due first.
        """
        if self._speed is None or not out:
            return sorted(out, key=self.round_of)
        return [min(out, key=lambda site: self._due.get(site, self._clock))]

    def is_made(self, n_answered: int, quorum: int) -> bool:
        """Wait for no more than the quorum."""
        return n_answered >= quorum

    def why_too_old(self, result: TrainResult) -> str:
        """Say why an update comes too late for this round; empty: it does not."""
        if self._round - result.round <= self._max_staleness:
            return ""
        return f"its update is for round {result.round}, too old (options.{self._option})"

    def end_round(self, out: Mapping[str, Asked]) -> None:
        """Let those at work go on in the next round."""
        self._asked.update(out)

    def why_missing(self, was_asked: bool) -> str | None:
        """Say that a site was away; one at work need not have answered."""
        return None if was_asked else "not connected"

    def give_up(self, late: LateReplies) -> None:
        """Leave what is still worked on when the study ends to those who drop late replies."""
        for site, asked in self._asked.items():
            late.expect("train", self._rounds[site], {site: asked})
        self._asked.clear()

    def facts(self) -> dict[str, Json]:
        """Give what the checkpoint says."""
        return {"rounds": {**self._rounds}, "due": {**self._due}, "clock": self._clock}

    def state(self) -> Weights:
        """Give the weights that are still worked on, for the checkpoint."""
        return {
            f"{PREFIX}{round_}/{name}": tensor
            for round_ in sorted(set(self._rounds.values()))
            for name, tensor in self._weights[round_].items()
        }

    def restore(self, facts: dict[str, Any], state: Weights) -> None:
        """Go on from a checkpoint."""
        self._rounds = {site: int(round_) for site, round_ in facts["rounds"].items()}
        self._due, self._clock = dict(facts["due"]), float(facts["clock"])
        for name, tensor in state.items():
            round_, _, rest = name.removeprefix(PREFIX).partition("/")
            self._weights.setdefault(int(round_), {})[rest] = tensor
