"""Where a study is, for a person who follows it."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How many rounds are made, and how long the others take."""

    round: int  # rounds made
    n_rounds: int
    seconds_left: float | None  # from the median of the rounds made in this sitting
    part: float = 0.0  # of the round that is being made: the sites that are done with it


Follow = Callable[[Progress], None]


def ignore_part(part: float) -> None:
    """Tell nobody how far the round is."""


class ProgressReport:
    """Tells the progress after each reply and each round.

    Args:
        n_rounds: Of the plan.
        follow: Takes the progress.
    """

    def __init__(self, n_rounds: int, follow: Follow) -> None:
        self._n_rounds = n_rounds
        self._follow = follow
        self._times: list[float] = []
        self._n_made = 0  # rounds, as last told

    def note(self, seconds: float) -> None:
        """Note how long a round took."""
        self._times.append(seconds)

    def tell(self, n_made: int, part: float = 0.0) -> None:
        """Tell how many rounds are made, and how far the next is."""
        self._n_made = n_made
        left = self.seconds_left(n_made + part)
        self._follow(Progress(n_made, self._n_rounds, left, part))

    def tell_part(self, part: float) -> None:
        """Tell how far the round is."""
        self.tell(self._n_made, part)

    def seconds_left(self, n_made: float) -> float | None:
        """Estimate from the median of the rounds made in this sitting."""
        if not self._times:
            return None
        return statistics.median(self._times) * (self._n_rounds - n_made)
