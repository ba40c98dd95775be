"""The tasks of an asynchronous study that are not answered yet, kept from round to round.

A site that has answered gets the newest weights in the next round; one that is at work goes on with
those it has. Which sites work on which weights is in the checkpoint, with the weights: a study that
goes on after a crash asks the same again, and gets the same.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from medfl_common.files import Json
from medfl_common.models.weights import Weights
from medfl_server.rounds.late_replies import LateReplies

Speed = Callable[[str, int], float]  # (site, round) -> seconds that it takes, in a simulation
PREFIX = "in-flight-"


class PendingTasks:
    """Who works on what.

    Args:
        speed: How long virtual sites take; None: real ones answer when they answer.
    """

    def __init__(self, speed: Speed | None = None) -> None:
        self._speed = speed
        self._clock = 0.0  # of the simulation
        self._due: dict[str, float] = {}
        self._rounds: dict[str, int] = {}
        self._weights: dict[int, Weights] = {}
        self.asked: dict[str, Any] = {}  # as Collection keeps it, in this process

    def begin_round(self, round_: int, weights: Weights) -> None:
        """Keep what is handed out from now on, and what is still worked on."""
        self._weights = {r: self._weights[r] for r in set(self._rounds.values()) if r != round_}
        self._weights[round_] = weights

    def round_of(self, site: str, newest: int) -> int:
        """Say for which round a site works, or would if it were asked now."""
        return self._rounds.get(site, newest)

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
        self.asked.pop(site, None)
        self._clock = max(self._clock, self._due.pop(site, self._clock))

    def to_look_at(self, out: Sequence[str]) -> list[str]:
        """Say whose replies may have come; in a simulation, the one that is due first."""
        if self._speed is None or not out:
            return [*out]
        return [min(out, key=lambda site: self._due.get(site, self._clock))]

    def forget_others(self, roster: Iterable[str]) -> None:
        """Forget sites that are no longer on the roster."""
        for site in self._rounds.keys() - set(roster):
            self.end(site)

    def give_up(self, late: LateReplies) -> None:
        """Leave what is still worked on when the study ends to those who drop late replies."""
        for site, asked in self.asked.items():
            late.expect(site, self._rounds[site], asked.message or "")
        self.asked.clear()

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
