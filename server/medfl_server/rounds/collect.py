"""One round's replies: ask every site that is there, wait for a quorum, admit, aggregate in order.

A site that connects anew in mid-round is asked again, with the same nonce: it has its reply kept,
or makes the same one. The barrier says when the round is over, and whether updates are aggregated
in the roster's order or as they come.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from functools import partial

from flwr.app import RecordDict

from medfl_common.errors import (
    MEANING,
    DiskFullError,
    NoStartError,
    NotApprovedError,
    RunError,
    SecondRunError,
    WithdrawnError,
)
from medfl_common.models.weights import Weights
from medfl_common.run.events import QUARANTINED
from medfl_common.wire.digest import content_sha256, n_bytes
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import Kind, TrainTask
from medfl_common.wire.tensors import Shapes
from medfl_server.aggregation.admission import Known, admit
from medfl_server.rounds.asked_sites import AGAIN_S, AskedSites
from medfl_server.rounds.barrier import Barrier, RoundBarrier
from medfl_server.rounds.handed_out import HandedOut
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.ledger_news import hear_of_ledger
from medfl_server.rounds.live import UNSEEN, LiveFile, Moment, SiteState
from medfl_server.rounds.outcome import Answered, Replies
from medfl_server.rounds.progress import ignore_part
from medfl_server.rounds.reorder_buffer import Aggregate, RosterOrder
from medfl_server.rounds.sent_once import SentOnce
from medfl_server.rounds.site_states import states_of
from medfl_server.rounds.spent_messages import SpentMessages
from medfl_server.rounds.sum_trip import SumTrip
from medfl_server.study.deadline import patience_s
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, Post

POLL_S = 0.05  # between looks for replies
MOST_AGAIN = 3  # times that a site gets what is sent once again, within a question
MANY = 50  # sites; of more, each reply is in the log and not announced
# A person there may change their mind, or make room.
NOT_YET = {e.code for e in (NotApprovedError, WithdrawnError, SecondRunError, DiskFullError)}


class Collection:
    """One task, asked of the sites of the roster, or of those of them that are chosen.

    Args:
        study: The run directory and its plan.
        post: Where tasks go and replies come from.
        announce: Takes one line per event.
        aggregate: Takes each admitted result, in the order of the barrier.
        sent_once: Gives what a site is sent once.
        late: Drops the replies of rounds that are closed.
        chosen: The sites to ask; None: all.
        tell_part: Takes the part of the sites that are done, 0..1.
        barrier: When the round is over, and for which round a site works; None: for this one.
        heed: Raises what ends the round at once.
        deadline: Says how long to wait, asked again when a late answer has come; None: as for what
            is not asked each round.
        trip: What a trip of a secure sum tells each site; None: it is none.
        live: Takes what each site is doing.
    """

    def __init__(
        self,
        study: Study,
        post: Post,
        announce: Announce,
        aggregate: Aggregate,
        sent_once: SentOnce,
        late: LateReplies,
        chosen: Container[str] | None = None,
        tell_part: Callable[[float], None] = ignore_part,
        barrier: Barrier | None = None,
        heed: Callable[[], None] = lambda: None,
        deadline: Callable[[], float] | None = None,
        trip: SumTrip | None = None,
        live: LiveFile = UNSEEN,
    ) -> None:
        self._study = study
        self._enrolled = {s: e for s, e in post.roster().items() if chosen is None or s in chosen}
        self._roster = [*self._enrolled]
        self._post = post
        self._late = late
        self._announce = announce
        self._live = live
        self._aggregate = aggregate
        self._tell_part = tell_part
        self._heed = heed
        self._deadline = deadline or partial(patience_s, study.plan.federation)
        self._deadline_s = math.inf
        self._barrier = barrier or RoundBarrier(late)
        self._handed_out = HandedOut(study, self._barrier, trip)
        self._size = 0 if trip is None else trip.size
        self._sent_once = sent_once
        # Who was given once more what is sent once; who gave nothing, and is not asked again.
        self._given_again, self._failed = Counter[str](), set[str]()
        self._asked = AskedSites(self._roster, post, announce, self._is_done, late.is_busy)
        self._in_order = RosterOrder(self._roster, aggregate, self._is_done, study.files.waiting)
        self._spent = SpentMessages(len(self._roster))
        self._n_trained: Mapping[str, int] = {}
        self._replies = Replies()

    def run(
        self,
        kind: Kind,
        round_: int,
        weights: Weights,
        quorum: Callable[[], int],
        max_norm: float = math.inf,
        server_state: Weights | None = None,
        n_trained: Mapping[str, int] | None = None,
    ) -> Replies:
        """Ask, and collect until all have answered, or the quorum has at the deadline.

        Sites that are away, or at work on an earlier round, are not waited for once those asked
        have answered and are a quorum; a scoring, which is one for all, waits for the latter.

        Args:
            kind: What to ask.
            round_: The round that is asked about.
            weights: What the sites work with.
            quorum: Counts the valid replies that are needed now; a roster may change meanwhile.
            max_norm: An update with a larger norm is not admitted.
            server_state: What the strategy keeps and the sites get beside them.
            n_trained: Images that each site trained on last.
        """
        self._n_trained = n_trained or {}
        self._barrier.begin_round(kind, round_, weights)
        self._asked.take_over(self._barrier.still_out(self._enrolled))
        self._handed_out.begin(server_state)
        shapes: Shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        tasks = {site: self._handed_out.task(kind, site) for site in self._roster}
        started, self._deadline_s = time.monotonic(), self._deadline()
        moment = Moment.between(kind, round_)
        while True:
            self._heed()
            if self._late.drop_arrived():
                self._deadline_s = self._deadline()
            self._ask_newcomers(tasks, has_weights=bool(weights))
            self._fetch_arrived(tasks, shapes, max_norm, quorum)
            self._drop_revoked()
            self._replies.seconds = time.monotonic() - started
            self._live.tell(lambda: moment.closing(self._deadline_s, quorum()), self._states)
            if self._is_closed(quorum(), waits_for_busy=kind in ("evaluate", "test")):
                break
            time.sleep(POLL_S)
        return self._close()

    def _close(self) -> Replies:
        """Say of each site without an answer why there is none."""
        busy = self._busy()
        self._barrier.end_round({site: self._asked[site] for site in self._asked.out()})
        self._sent_once.tidy()
        self._in_order.close()
        for site in self._roster:
            reason = busy.get(site) or self._barrier.why_missing(site in self._asked)
            if site not in self._replies.answered and reason is not None:
                self._replies.missing.setdefault(site, reason)
        self._replies.put_in_order(self._roster)
        return self._replies

    def _states(self) -> dict[str, SiteState]:
        present, busy = self._post.connected_sites(), self._busy()
        return states_of(self._roster, self._replies, self._failed, self._asked, busy, present)

    def _busy(self) -> dict[str, str]:
        """Say of the sites that were not asked what they are at work on."""
        left = [s for s in self._roster if s not in self._asked and not self._is_done(s)]
        return self._late.busy(left)

    def _ask_newcomers(self, tasks: Mapping[str, TrainTask], has_weights: bool) -> None:
        for site, connected_site in self._asked.newly_present().items():
            start = self._sent_once.due(site, connected_site) if has_weights else None
            task = tasks[site]
            content = self._handed_out.content(task, start, has_graphs=site in self._given_again)
            self._asked.send(site, connected_site, content, task.round)
            self._replies.missing.pop(site, None)
            self._barrier.begin(site, task.round)

    def _fetch_arrived(
        self,
        tasks: Mapping[str, TrainTask],
        shapes: Shapes,
        max_norm: float,
        quorum: Callable[[], int],
    ) -> None:
        """Fetch what has come, until the round is made."""
        for site in self._barrier.to_look_at(self._asked.out()):
            self._fetch(site, tasks[site], shapes, max_norm)
            n_done = len(self._replies.answered) + len(self._failed)
            self._tell_part(n_done / len(self._roster))
            if self._barrier.is_made(len(self._replies.answered), quorum()):
                return

    def _is_done(self, site: str) -> bool:
        return site in self._replies.answered or site in self._failed

    def _fetch(self, site: str, task: TrainTask, shapes: Shapes, max_norm: float) -> None:
        asked = self._asked[site]
        arrival = self._post.fetch(asked.message or "")
        if arrival is None:
            return
        if arrival.unreadable:
            self._fail(site, f"{QUARANTINED}{arrival.unreadable}")
            return
        if arrival.halted:
            self._asked.put_off_for(site, AGAIN_S)
            self._miss(site, f"{arrival.halted}; the coordinator asks again")
            return
        if arrival.content is None:
            asked.message = None
            self._miss(site, "the connection was lost")
            return
        enrolled = self._post.roster().get(site, self._enrolled[site])  # it may have new keys
        weights = self._barrier.weights_of(task.round)
        known = Known(self._n_trained.get(site), weights, asked.digest, self._size)
        try:
            result = admit(arrival.content, task, shapes, enrolled, max_norm, known)
        except RunError as error:
            self._fail(site, f"{QUARANTINED}{error}")
            return
        hear_of_ledger(self._post, self._study, self._announce, site, arrival.content)
        if result.code == NoStartError.code and self._given_again[site] < MOST_AGAIN:
            self._given_again[site] += 1
            self._sent_once.again(site)
            self._asked.ask_anew(site)
            return
        if result.code in NOT_YET:
            self._asked.put_off(site, result.code)
            self._replies.missing[site] = MEANING[result.code]
            return
        if reason := self._why_nothing(result):
            self._fail(site, reason)
            return
        self._take(site, result, arrival.content)

    def _why_nothing(self, result: TrainResult) -> str:
        """Say why a site's reply brings nothing; empty: it does."""
        if result.code:
            return self._post.explain(result.code, result.incident)
        return self._barrier.why_too_old(result)

    def _take(self, site: str, result: TrainResult, content: RecordDict) -> None:
        """Note an admitted reply, and aggregate it."""
        size, asked, is_virtual = n_bytes(content), self._asked[site], self._enrolled[site] is None
        waited_s = None if is_virtual else round(asked.seconds(), 3)
        self._replies.answered[site] = Answered(
            result.without_arrays(), size, asked.n_bytes, content_sha256(content), waited_s
        )
        if len(self._roster) <= MANY and not result.part:
            self._announce(
                f"{site} answered after {result.seconds:.1f} s of work, {size / 1e6:.2f} MB"
            )
        if waited_s is not None and (result.update or result.masked) is not None:
            self._late.advise(site, max(waited_s, result.seconds))
        self._spent.note(size)
        if self._barrier.in_order:
            self._in_order.add(site, result)
        else:
            self._aggregate(site, result)
        self._barrier.end(site)

    def _miss(self, site: str, reason: str) -> None:
        self._replies.missing[site] = reason
        self._announce(f"{site} gave nothing: {reason}")

    def _fail(self, site: str, reason: str) -> None:
        self._barrier.end(site)
        self._failed.add(site)
        self._miss(site, reason)

    def _drop_revoked(self) -> None:
        """Do not wait for a site that was taken off the roster in mid-round."""
        for site in self._enrolled.keys() - self._post.roster().keys():
            if not self._is_done(site):
                self._fail(site, "its key was revoked")

    def _is_closed(self, quorum: int, waits_for_busy: bool) -> bool:
        if all(self._is_done(site) for site in self._roster):
            return True
        if self._barrier.is_made(len(self._replies.answered), quorum):
            return True
        if self._replies.seconds >= self._deadline_s:
            return True
        if self._asked.out() or len(self._replies.answered) < quorum:
            return False
        return not (waits_for_busy and self._busy())
