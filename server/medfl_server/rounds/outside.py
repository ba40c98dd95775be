"""Hospitals that train nothing: a model is scored on all their patients. External validation."""

from collections.abc import Callable

from medfl_common.plan.halves import own_layers
from medfl_common.run.checkpoint import Checkpoint, digest
from medfl_common.run.events import ScoredOutside
from medfl_common.wire.results import TrainResult
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.course import Course
from medfl_server.rounds.disk_retry import RetryingLog
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.live import LiveFile
from medfl_server.rounds.round_facts import facts_of_round, summary
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post

NO_COMMON_MODEL = "each site has a model of its own, so no outside hospital scores one"
NOT_SUMMED = "privacy.secure_sum has no scores by hospital, so outside hospitals score nothing"


class OutsideHospitals:
    """The hospitals of a study's roster that only score.

    Args:
        study: The run directory and its plan.
        post: Where tasks go and replies come from.
        log: Takes the events.
        late: Drops replies that come too late.
        sent_once: Gives what a site is sent once.
        announce: Takes one line per event.
        live: Takes what each site is doing.
        course: Knows which models are scored.
    """

    def __init__(
        self,
        study: Study,
        post: Post,
        log: RetryingLog,
        late: LateReplies,
        sent_once: Callable[[], SentOnce],
        announce: Announce,
        live: LiveFile,
        course: Course,
    ) -> None:
        self._study = study
        self._post = post.to_outside()
        self._log = log
        self._late = late
        self._sent_once = sent_once
        self._announce, self._live, self._course = announce, live, course

    def score(self, model: Checkpoint) -> None:
        """Have a model scored, once; who has not answered at the deadline is noted."""
        sha256 = digest(model.weights)
        if sha256 in self._course.scored_outside or not self._post.roster():
            return
        if self._study.plan.privacy.secure_sum is not None:
            self._announce(NOT_SUMMED)
            return
        if own_layers(self._study.plan):
            self._announce(NO_COMMON_MODEL)
            return
        collection = Collection(
            self._study, self._post, self._announce, _nothing, self._sent_once(), self._late,
            live=self._live,
        )  # fmt: skip
        replies = collection.run("test", model.round, model.weights, lambda: 1)
        asked = facts_of_round(model.round, replies)
        self._log.add(ScoredOutside.of_model(sha256, asked))
        told = summary(replies, "test")
        self._announce(f"model of round {model.round} at outside hospitals: {told}")


def _nothing(site: str, result: TrainResult) -> None:
    """Aggregate nothing: the hospital only scores."""
