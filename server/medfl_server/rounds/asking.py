"""How the round loop asks the sites: what every collection of a study has in common."""

from collections.abc import Callable, Container
from functools import partial

from medfl_common.wire.tasks import Kind
from medfl_server.rounds.barrier import Barrier
from medfl_server.rounds.collect import Collection
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.live import UNSEEN, LiveFile
from medfl_server.rounds.progress import ProgressReport, ignore_part
from medfl_server.rounds.reorder_buffer import Aggregate
from medfl_server.rounds.round_deadline import RoundDeadline
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.rounds.sum_trip import SumTrip
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post


class Asking:
    """Makes a collection for each question.

    Args:
        study: The run directory and its plan.
        post: Where tasks go and replies come from.
        announce: Takes one line per event.
        sent_once: Gives what a site is sent once.
        late: Drops the replies of rounds that are closed.
        progress: Follows rounds.
        heed: Raises what ends the study at once; takes the last round made.
        deadline: Says how long a round waits.
        live: Takes what each site is doing.
    """

    def __init__(
        self,
        study: Study,
        post: Post,
        announce: Announce,
        sent_once: Callable[[], SentOnce],
        late: LateReplies,
        progress: ProgressReport,
        heed: Callable[[int, bool], None],
        deadline: RoundDeadline,
        live: LiveFile = UNSEEN,
    ) -> None:
        self._study = study
        self.post = post
        self._announce = announce
        self._sent_once = sent_once
        self.late = late
        self._progress = progress
        self._heed = heed
        self._deadline = deadline
        self._live = live

    def collection(
        self,
        kind: Kind,
        made: int,
        aggregate: Aggregate,
        chosen: Container[str] | None = None,
        barrier: Barrier | None = None,
        trip: SumTrip | None = None,
    ) -> Collection:
        """Give a collection of the answers to one question.

        Args:
            kind: Of the task.
            made: The last round made.
            aggregate: Takes each admitted result.
            chosen: The sites to ask; None: all.
            barrier: When the question is over; None: when all have answered.
            trip: What a trip of a secure sum tells each site.
        """
        is_round = kind == "train"
        return Collection(
            self._study, self.post, self._announce, aggregate, self._sent_once(), self.late, chosen,
            self._progress.tell_part if is_round else ignore_part,
            barrier,
            lambda: self._heed(made, True),
            partial(self._deadline.seconds, self.post.roster) if is_round else None,
            trip,
            self._live,
        )  # fmt: skip
