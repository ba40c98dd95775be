"""THE round loop: ask, wait for a quorum, admit, aggregate, checkpoint, log; and resume.

One message per site and round: the site scores the global weights, then trains from them. A round
is made when its checkpoint is on the disk; the log line follows, and is written from the
checkpoint if a crash came between.
"""

from functools import partial

from medfl_common.models.weights import Weights
from medfl_common.plan.halves import at_coordinator
from medfl_common.run.checkpoint import Checkpoint, digest, keep, load_newest, save
from medfl_common.run.checkpoint_facts import checkpoint_facts, pending_of
from medfl_common.run.events import (
    QUARANTINED,
    Event,
    Paused,
    Resumed,
    RoundMade,
    RoundWithoutQuorum,
    Started,
)
from medfl_common.run.tallies import has_counts
from medfl_common.ui.screen import in_words
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import Kind
from medfl_server.aggregation.admission import norm_limit
from medfl_server.aggregation.aggregator import BrokenRoundError, RoundAggregation, quorum_of
from medfl_server.rounds.asking import Asking
from medfl_server.rounds.best_round import BestRound
from medfl_server.rounds.course import Course
from medfl_server.rounds.describe import Describing
from medfl_server.rounds.disk_retry import RetryingLog, write_into
from medfl_server.rounds.ending import Ending
from medfl_server.rounds.gathering import wait_for_sites
from medfl_server.rounds.last_round import LastRound
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.live import ENDS, UNSEEN, LiveFile
from medfl_server.rounds.outcome import Replies
from medfl_server.rounds.outside import OutsideHospitals
from medfl_server.rounds.paused import PausedError, heed_pause
from medfl_server.rounds.pending import PendingTasks, Speed
from medfl_server.rounds.progress import Follow, ProgressReport
from medfl_server.rounds.reorder_buffer import Aggregate
from medfl_server.rounds.round_deadline import RoundDeadline
from medfl_server.rounds.round_facts import facts_of_round, summary
from medfl_server.rounds.sampling import choose_sites
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.rounds.summed_rounds import SummedRounds
from medfl_server.rounds.version_watch import VersionWatch
from medfl_server.study.initial_weights import initial_weights
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post


def _nothing(site: str, result: TrainResult) -> None:
    """Aggregate nothing: the sites only score."""


class RoundLoop:
    """A study from its newest checkpoint to its end.

    Args:
        study: The run directory and its plan.
        post: Where tasks go and replies come from; its roster is the order of aggregation.
        announce: Takes one line per event.
        follow: Takes the progress after each reply and each round.
        sites_keep_models: Whether a site keeps the final model; virtual ones do not.
        speed: How long virtual sites take, where no round waits for all.
        live: Takes what is waited for at each moment.
    """

    def __init__(
        self,
        study: Study,
        post: Post,
        announce: Announce,
        follow: Follow,
        sites_keep_models: bool = True,
        speed: Speed | None = None,
        live: LiveFile = UNSEEN,
    ) -> None:
        self._study = study
        self._plan = study.plan
        self._post = post
        self._announce, self._live = announce, live
        self._write = partial(write_into, study.checkpoints, announce)
        n_rounds = study.plan.federation.rounds
        self._progress = ProgressReport(n_rounds, follow)
        self._course = Course()
        self._log = RetryingLog(study.folder, announce, self._course.note)
        self._sent_once, self._speed = SentOnce({}), speed
        self._versions = VersionWatch(announce)
        self._late = LateReplies(post, self._log, announce, study.plan.federation)
        self._heed = partial(heed_pause, study.folder, self._log)
        deadline = RoundDeadline(
            study.plan.federation, lambda: self._course.times, speed is not None, announce
        )
        self._asking = Asking(
            study, post, announce, lambda: self._sent_once, self._late, self._progress, self._heed,
            deadline, live,
        )  # fmt: skip
        is_summed = study.plan.privacy.secure_sum is not None
        self._summed = SummedRounds(study, self._asking, announce) if is_summed else None
        self._describing = Describing(study, post, announce, self._late, live)
        self._algorithm = at_coordinator(study.plan.federation)
        options, buffer = study.plan.federation.options, self._algorithm.buffer
        self._best = BestRound(study.plan, study.checkpoints)
        self._last = LastRound(study, self._log, self._best, announce)
        self._outside = OutsideHospitals(
            study, post, self._log, self._late, lambda: self._sent_once, announce, live,
            self._course,
        )  # fmt: skip
        self._ending = Ending(
            study.plan, self._log, self._best, sites_keep_models, self._ask_to_score,
            self._outside, announce,
        )  # fmt: skip
        self._pending = None
        if buffer is not None:
            staleness = int(getattr(options, buffer.max_staleness))
            self._pending = PendingTasks(buffer.max_staleness, staleness, speed)

    def run(self) -> Weights:
        """Make the rounds that are left; return the final weights. Raises PausedError."""
        checkpoint = self._resume()
        if self._course.is_finished:
            self._announce("the study is finished; there is nothing left to do")
            return checkpoint.weights
        wait_for_sites(
            self._study, self._post, self._live, checkpoint.round, self._heed, self._announce
        )
        if not self._course.has_started:
            self._log.add(Started.of(self._roster, digest(checkpoint.weights)))
        empty = 0
        while not self._last.is_made(checkpoint.round):
            self._heed(checkpoint.round)
            self._progress.tell(checkpoint.round)
            self._describing.ask()
            made = self._make_round(checkpoint)
            empty = 0 if made else empty + 1
            if empty == self._plan.federation.empty_rounds:
                raise self._paused(checkpoint.round, empty)
            checkpoint = made or checkpoint
            if made and self._plan.evaluation.outside == "rounds":
                self._outside.score(checkpoint)
        self._heed(checkpoint.round)
        self._progress.tell(checkpoint.round)
        if self._pending is not None:
            self._pending.give_up(self._late)
        self._live.rest(ENDS)
        return self._ending.finish(checkpoint)

    @property
    def _roster(self) -> list[str]:
        return [*self._post.roster()]

    def quorum(self) -> int:
        """Count the valid replies that a round needs now."""
        wanted = quorum_of(self._plan.federation, len(self._post.roster()))
        return wanted if self._summed is None else max(wanted, self._summed.threshold())

    def _resume(self) -> Checkpoint:
        """Load the newest whole checkpoint, or write the initial weights as round 0."""
        checkpoint, warnings = load_newest(self._study.checkpoints)
        for warning in warnings:
            self._announce(warning)
        model, start = initial_weights(self._study)
        shared = model.names("shared")
        self._sent_once = SentOnce({name: t for name, t in start.items() if name not in shared})
        if checkpoint is None:
            checkpoint = Checkpoint(0, {name: start[name] for name in shared}, {})
            save(self._study.checkpoints, checkpoint)
        pending = pending_of(checkpoint.meta)
        if self._pending is not None and pending is not None:
            self._pending.restore(pending, checkpoint.state)
        self._log.take_back_rounds(after=checkpoint.round)
        self._course.begin(self._log.read(Event))
        if not self._course.has_started:
            return checkpoint
        made, keeps_facts = self._log.read(RoundMade), "sites" in checkpoint.meta
        if made and keeps_facts and not has_counts(made[-1]):  # of a copy made in mid-round
            self._log.take_back_rounds(after=checkpoint.round - 1)
            made.pop()
        if checkpoint.round and (not made or made[-1].round != checkpoint.round):
            made.append(RoundMade.of_checkpoint(digest(checkpoint.weights), checkpoint.meta))
            self._log.add(made[-1])
        self._best.restore(made)
        if not self._course.is_finished:
            self._log.add(Resumed.of(checkpoint.round))
            self._announce(f"resuming after round {checkpoint.round}")
        return checkpoint

    def _make_round(self, before: Checkpoint) -> Checkpoint | None:
        """Make the next round, or return None where there was no quorum."""
        round_ = before.round + 1
        aggregation = RoundAggregation(
            self._plan, before.weights, round_, len(self._roster), before.state
        )
        replies = self._collect("train", before, round_, aggregation.add)
        self._versions.note(replies)
        after = self._fold(aggregation, replies, round_)
        asked = facts_of_round(round_, replies, aggregation.comparison())
        if after is None:
            self._log.add(RoundWithoutQuorum.of_round(self.quorum(), asked))
            return None
        self._best.add(before.round, replies)
        self._write(lambda _: self._best.keep_weights(before.round, before.weights))
        weights, state = after
        if self._pending is not None:
            state = self._pending.state()
        pending = None if self._pending is None else self._pending.facts()
        facts = checkpoint_facts(asked, self._best.best, pending)
        checkpoint = Checkpoint(round_, weights, facts, state)
        if round_ % (self._plan.federation.keep_every or round_ + 1) == 0:
            self._write(lambda folder: keep(folder, checkpoint))
        sha256 = self._write(lambda folder: save(folder, checkpoint))
        self._best.forget_others()
        self._log.add(RoundMade.of_checkpoint(sha256, facts))
        self._progress.note(replies.seconds)
        n_rounds, left = self._plan.federation.rounds, self._progress.seconds_left(round_)
        ending = "" if left is None else f"; {in_words(left)} left"
        self._announce(f"round {round_} of {n_rounds}: {summary(replies)}{ending}")
        return checkpoint

    def _fold(
        self, aggregation: RoundAggregation, replies: Replies, round_: int
    ) -> tuple[Weights, Weights] | None:
        """Give the weights after the round and the strategy's state; None: the model stays."""
        if replies.void:
            return aggregation.unchanged()
        if len(replies.answered) < self.quorum():
            self._announce(
                f"round {round_}: {len(replies.answered)} of {len(self._roster)} sites gave a "
                f"valid reply; the round needs {self.quorum()}, so the model does not change"
            )
            return None
        try:
            return aggregation.finish()
        except BrokenRoundError as error:
            if self._summed is not None:  # it was opened, which is once for ever
                replies.void = error.what
                return aggregation.unchanged()
            replies.answered.pop(error.site, None)
            replies.missing[error.site] = f"{QUARANTINED}{error}"
            self._announce(f"round {round_}: {error.site}: {error}; the model does not change")
            return None

    def _paused(self, round_: int, empty: int) -> PausedError:
        self._log.add(Paused.of(round_))
        if self._pending is not None and self._speed is None:
            self._pending.give_up(self._late)
        return PausedError(
            f"paused after round {round_}: {empty} times in a row fewer than {self.quorum()} of "
            + "; ".join([f"{len(self._roster)} sites answered", *self._late.unfinished()]),
            todo="ask the missing sites, then start medfl-server run again",
            data="nothing is lost",
        )

    def _ask_to_score(self, kind: Kind, model: Checkpoint) -> Replies:
        """Ask until a quorum has scored a finished model. Raises PausedError where it never has."""
        for _ in range(self._plan.federation.empty_rounds):
            replies = self._collect(kind, model, model.round)
            if len(replies.answered) >= self.quorum():
                return replies
            self._announce(
                f"the last scoring: {len(replies.answered)} of {len(self._roster)} sites answered; "
                f"it needs {self.quorum()}"
            )
        raise self._paused(model.round, self._plan.federation.empty_rounds)

    def _collect(
        self, kind: Kind, checkpoint: Checkpoint, round_: int, aggregate: Aggregate = _nothing
    ) -> Replies:
        """Ask the sites to work with a checkpoint's weights."""
        limit = self._plan.federation.norm_limit
        most = norm_limit(checkpoint.weights, self._course.norms(), limit)
        if self._summed is not None:
            return self._summed.collect(kind, checkpoint, round_, aggregate, self.quorum, most)
        chosen = choose_sites(self._plan, self._roster, round_) if kind == "train" else None
        barrier = self._pending if kind == "train" else None
        collection = self._asking.collection(kind, checkpoint.round, aggregate, chosen, barrier)
        is_sent = kind == "train" and self._algorithm.sends_state
        server_state = checkpoint.state if is_sent else None
        return collection.run(
            kind, round_, checkpoint.weights, self.quorum, most, server_state,
            self._course.n_trained,
        )  # fmt: skip
