"""What a study is like now, in bounded memory: counted from the lines that its log has got."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from medfl_common.errors import RunError
from medfl_common.plan.plan import Plan
from medfl_common.run.decisions import PlanChanged, Stopped
from medfl_common.run.events import (
    Asked,
    Event,
    Finished,
    ModelScored,
    Paused,
    Resumed,
    RoundMade,
    RoundWithoutQuorum,
    ScoredOnTest,
    Started,
    event_of,
)
from medfl_common.run.folder import RunFolder
from medfl_common.run.following import NewLines
from medfl_common.run.log import damaged
from medfl_server.console.happened import Happened, happened
from medfl_server.console.scores import Score, main_score, model_round, scores_of
from medfl_server.console.thinned import ALL, Curves

MOST_ROUNDS, MOST_EVENTS, MOST_TIMES = 40, 60, 9


@dataclass
class SiteFacts:
    """One hospital in the last rounds."""

    # of each of the last rounds: in (the model), unused (no quorum), out (nothing came), bad
    rounds: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_ROUNDS))
    times: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_TIMES))  # seconds
    n_images: int | None = None
    score: Score | None = None
    why: str = ""  # it gave nothing the last time

    @property
    def usual_s(self) -> float | None:
        """Give the seconds after which it usually answers."""
        return median(self.times) if self.times else None


class StudyFacts:
    """Counts the lines of one log, each once.

    Args:
        files: The run directory.
        plan: The study's; it says which score is shown.
    """

    def __init__(self, files: RunFolder, plan: Plan) -> None:
        self._path, self._lines = files.log, NewLines(files.log)
        self.key, self.title = main_score(plan)
        self._forget()

    def _forget(self) -> None:
        self._damage: RunError | None = None  # of a line, which is the last that was read
        self.n_made = self.n_empty = 0  # rounds; those without a quorum, at a stretch
        self.sites: dict[str, SiteFacts] = {}
        self.value, self.loss = Curves(), Curves()
        self.events: deque[Happened] = deque(maxlen=MOST_EVENTS)  # newest first
        self.seconds: deque[float] = deque(maxlen=15)  # of the last rounds
        self.state: type[Event] | None = None
        self.is_begun = False
        self.newest = 0.0  # time of the last line
        self.first: Score | None = None  # before training
        self.last: Score | None = None  # of the newest model that was scored
        self.tested: Score | None = None
        self.ends: Event | None = None  # why it rests or is over
        self.stopped: Stopped | None = None  # by a person, with the best so far

    def read(self) -> None:
        """Take the lines that are new; of a log that was rewritten all.

        RunError where a line is damaged, until another stands there.
        """
        if self._lines.begin_again():
            self._forget()
        if self._damage is not None:
            raise self._damage
        for line in self._lines():
            try:
                self._take(event_of(line))
            except (KeyError, TypeError, ValueError, AttributeError):
                self._damage = damaged(self._lines.n, self._path)
                raise self._damage from None

    def site(self, name: str) -> SiteFacts:
        """Give what is known of a hospital."""
        known = self.sites.get(name)
        if known is None:
            known = self.sites[name] = SiteFacts()
        return known

    def _take(self, event: Event) -> None:
        self.newest = event.time
        if isinstance(event, Started):
            self.is_begun = True
            for name in event.roster:
                self.site(name)
        if isinstance(
            event,
            Started | Resumed | Paused | Finished | RoundMade | RoundWithoutQuorum | PlanChanged,
        ):
            self.state, self.ends = type(event), event
        if isinstance(event, RoundMade | RoundWithoutQuorum):
            self._take_round(event)
        if isinstance(event, RoundMade | ModelScored | Finished):
            self._take_scores(event)
        if isinstance(event, Stopped | PlanChanged):
            self.stopped = event if isinstance(event, Stopped) else None
        if isinstance(event, ScoredOnTest):
            self.tested = scores_of(event, self.key).whole
        said = happened(event)
        if said is not None:
            self.events.appendleft(said)

    def _take_round(self, event: RoundMade | RoundWithoutQuorum) -> None:
        is_made = isinstance(event, RoundMade)
        self.n_made = event.round if is_made else self.n_made
        self.n_empty = 0 if is_made else self.n_empty + 1
        self.tested = None
        if is_made:
            self.seconds.append(event.seconds)
        for name, reply in event.sites.items():
            one = self.site(name)
            one.rounds.append("in" if is_made else "unused")
            one.n_images = reply.n_images or one.n_images
            one.why = ""
            one.times.append(reply.seconds_to_answer or float(reply.facts.get("seconds", 0.0)))
        for name, why in event.missing.items():
            one, is_bad = self.site(name), name in event.quarantined
            one.rounds.append("bad" if is_bad else "out")
            one.why = why

    def _take_scores(self, event: Asked) -> None:
        found, x = scores_of(event, self.key), model_round(event)
        for name, score in found.sites.items():
            self.site(name).score = score
        if found.whole is None:
            return
        self.first = self.first or found.whole
        self.last = found.whole
        newest = self.loss.all.newest
        if newest is not None and x <= newest[0]:
            return  # the result is an earlier round's model, scored once more
        places = {name: one.places for name, one in found.sites.items()}
        for curves in (self.value, self.loss):
            curves.round_to({**places, ALL: found.whole.places})
        values = {name: one.value for name, one in found.sites.items() if one.value is not None}
        self.value.add(x, found.whole.value, values)
        self.loss.add(x, found.whole.loss, {name: one.loss for name, one in found.sites.items()})
