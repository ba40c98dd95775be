"""What the round loop needs to know of its run log: read once, then kept from line to line.

A log of thousands of rounds is not read again in each of them.
"""

from collections import deque
from collections.abc import Iterable

from medfl_common.run.events import Event, Finished, RoundMade, ScoredOutside, Started
from medfl_server.rounds.round_facts import norms_of
from medfl_server.study.deadline import SeenTimes

NORM_ROUNDS = 3  # whose norms say what is likely


class Course:
    """The study's course so far."""

    def __init__(self) -> None:
        self.begin([])

    def begin(self, events: Iterable[Event]) -> None:
        """Take in all that a log holds."""
        self.has_started = self.is_finished = False
        self.n_trained: dict[str, int] = {}  # images that each site trained on last
        self.scored_outside: set[str] = set()  # digests of models
        self.times = SeenTimes()
        self._newest: deque[RoundMade] = deque(maxlen=NORM_ROUNDS)
        for event in events:
            self.note(event)

    def note(self, event: Event) -> None:
        """Take in one more event."""
        self.times.note(event)
        if isinstance(event, Started):
            self.has_started = True
        elif isinstance(event, Finished):
            self.is_finished = True
        elif isinstance(event, ScoredOutside):
            self.scored_outside.add(event.sha256)
        elif isinstance(event, RoundMade):
            self._newest.append(event)
            self.n_trained |= {s: r.n_images for s, r in event.sites.items() if r.n_images}

    def norms(self) -> list[float]:
        """List the norms of the updates that were admitted in the newest rounds."""
        return norms_of(self._newest)
