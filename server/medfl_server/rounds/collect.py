"""One round's replies: ask every site that is there, wait for a quorum, admit, pass on in order.

A site that connects anew in mid-round is asked again, with the same nonce: it has its reply kept,
or makes the same one. Updates are passed on in the roster's order, as soon as their turn has come.
"""

import gc
import math
import time
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, replace

from flwr.app import ArrayRecord, RecordDict

from medfl_common.errors import (
    MEANING,
    NoStartError,
    NotApprovedError,
    RunError,
    WithdrawnError,
    explain_code,
)
from medfl_common.models.weights import Weights
from medfl_common.wire.digest import content_sha256, n_bytes
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import Kind, TrainTask, encode_task, pack_weights
from medfl_common.wire.tensors import Shapes
from medfl_server.aggregation.admission import admit
from medfl_server.rounds.late_replies import LateReplies
from medfl_server.rounds.outcome import Answered, Replies
from medfl_server.rounds.reorder_buffer import ReorderBuffer
from medfl_server.rounds.start_handout import Handout
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce, ConnectedSite, Post

POLL_S = 0.05  # between looks for replies
MANY = 50  # sites; of more, each reply is in the log and not announced
# Before a site that has not approved the plan is asked again: at first, and after many times.
AGAIN_S, AGAIN_MOST_S = 5.0, 60.0
COLLECT_BYTES = 16 * 2**20  # of replies between two garbage collections, with few sites
NOT_YET = (NotApprovedError.code, WithdrawnError.code)  # a person there may change their mind
Fold = Callable[[str, TrainResult], None]  # takes (site, admitted result) in the roster's order


def ignore_part(part: float) -> None:
    """Tell nobody how far the round is."""


@dataclass
class _Asked:
    to: ConnectedSite
    message: str | None  # the id to fetch under; None: no reply will come for it
    n_bytes: int
    again_at: float = math.inf  # on the monotonic clock, where no reply will come


class Collection:
    """One task, asked of the sites of the roster, or of those of them that are chosen."""

    def __init__(
        self,
        study: Study,
        post: Post,
        announce: Announce,
        fold: Fold,
        handout: Handout,
        late: LateReplies,
        chosen: Container[str] | None = None,
        tell_part: Callable[[float], None] = ignore_part,
    ) -> None:
        self._study = study
        self._enrolled = {s: e for s, e in post.roster().items() if chosen is None or s in chosen}
        self._roster = [*self._enrolled]
        self._post = post
        self._late = late
        self._announce = announce
        self._fold = fold
        self._tell_part = tell_part  # takes the part of the sites that are done, 0..1
        self._handout = handout
        self._given_again: set[str] = set()
        self._failed: set[str] = set()  # gave nothing, and will not be asked again
        self._told: set[tuple[str, int]] = set()  # what was announced of a site already
        self._n_put_off: Counter[str] = Counter()
        self._asked: dict[str, _Asked] = {}
        self._waiting = ReorderBuffer(study.folder / "waiting")  # an earlier site is still out
        self._round, self._packed_weights = 0, ArrayRecord()
        self._n_uncollected = 0  # bytes of replies since the last garbage collection
        self._turn = 0  # position in the roster of the first site that has not been passed on
        self._replies = Replies()

    def run(
        self,
        kind: Kind,
        round_: int,
        weights: Weights,
        quorum: Callable[[], int],
        max_norm: float = math.inf,
        told: Weights | None = None,
    ) -> Replies:
        """Ask, and collect until all have answered, or the quorum has at the deadline.

        Sites that are away are not waited for once those asked have answered and are a quorum.

        Args:
            kind: What to ask.
            round_: The round that is asked about.
            weights: What the sites work with.
            quorum: Counts the valid replies that are needed now; a roster may change meanwhile.
            max_norm: An update with a larger norm is not admitted.
            told: What the strategy tells the sites beside them.
        """
        plan = self._study.plan
        # No weights, where sites are to describe their data.
        self._begin(round_, weights, pack_weights(weights, plan))
        beside = pack_weights(told, plan) if told else None
        shapes: Shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        tasks = {site: self._task(kind, self._round_of(site), site) for site in self._roster}
        started = time.monotonic()
        while True:
            for site, connected_sites in self._newly_present().items():
                start = self._handout.due(site, connected_sites) if weights else None
                asked = tasks[site].round
                content = encode_task(tasks[site], self._packed_for(asked), start, beside)
                self._ask(site, connected_sites, content, asked)
            for site in self._to_look_at():
                self._fetch(site, tasks[site], shapes, max_norm)
                n_done = len(self._replies.answered) + len(self._failed)
                self._tell_part(n_done / len(self._roster))
                if self._is_enough(quorum()):
                    break
            self._drop_revoked()
            self._late.drop_arrived()
            self._replies.seconds = time.monotonic() - started
            if self._is_closed(quorum()):
                break
            time.sleep(POLL_S)
        self._leave(round_)
        self._handout.tidy()
        self._pass_on(len(self._roster))
        self._waiting.clear()
        self._put_in_order()
        return self._replies

    def _begin(self, round_: int, weights: Weights, packed: ArrayRecord) -> None:
        """Prepare to hand out the weights of a round."""
        self._round, self._packed_weights = round_, packed

    def _leave(self, round_: int) -> None:
        """Expect no more from who is still out when a round is closed."""
        for site in self._out():
            self._late.expect(site, round_, self._asked[site].message or "")

    def _task(self, kind: Kind, round_: int, site: str) -> TrainTask:
        nonce = self._study.nonce(kind, round_, site)
        return TrainTask(kind, self._study.run, round_, nonce, site, self._study.plan, {})

    def _round_of(self, site: str) -> int:
        """Say for which round a site works, or would if it were asked now."""
        return self._round

    def _packed_for(self, round_: int) -> ArrayRecord:
        """Give the weights that are handed out for a round."""
        return self._packed_weights

    def _to_look_at(self) -> list[str]:
        """List the sites whose reply may have come."""
        return self._out()

    def _is_enough(self, quorum: int) -> bool:
        """Say whether the round is made, though others could answer too."""
        return False

    def _newly_present(self) -> dict[str, ConnectedSite]:
        """List the sites to ask: connected, without an answer, not asked in this session.

        A site that said "not yet" is asked again after a while.
        """
        present, now = self._post.connected_sites(), time.monotonic()
        return {
            site: present[site]
            for site in self._roster
            if site in present
            and not self._is_done(site)
            and (
                site not in self._asked
                or self._asked[site].to != present[site]
                or now >= self._asked[site].again_at
            )
        }

    def _ask(
        self, site: str, connected_sites: ConnectedSite, content: RecordDict, round_: int
    ) -> None:
        if site in self._asked and self._asked[site].to != connected_sites:
            self._announce(f"{site} is back and is asked again")
        message = self._post.send(connected_sites, content, round_)
        self._asked[site] = _Asked(connected_sites, message, n_bytes(content))
        self._replies.missing.pop(site, None)

    def _out(self) -> list[str]:
        """List the sites whose reply may still come, in the roster's order."""
        return [
            site
            for site in self._roster
            if site in self._asked and self._asked[site].message and not self._is_done(site)
        ]

    def _is_done(self, site: str) -> bool:
        return site in self._replies.answered or site in self._failed

    def _fetch(self, site: str, task: TrainTask, shapes: Shapes, max_norm: float) -> None:
        asked = self._asked[site]
        arrival = self._post.fetch(asked.message or "")
        if arrival is None:
            return
        if arrival.content is None:
            asked.message = None
            self._miss(site, "the connection was lost")
            return
        try:
            result = admit(arrival.content, task, shapes, self._enrolled[site], max_norm)
        except RunError as error:
            self._fail(site, f"quarantined: {error}")
            return
        if result.code == NoStartError.code and site not in self._given_again:
            self._given_again.add(site)
            self._handout.again(site)
            del self._asked[site]
            return
        if result.code in NOT_YET:
            self._put_off(site, asked, result.code)
            return
        if reason := self._why_nothing(result):
            self._fail(site, reason)
            return
        self._take(site, result, arrival.content)

    def _why_nothing(self, result: TrainResult) -> str:
        """Say why a site's reply brings nothing; empty: it does."""
        return explain_code(result.code, result.incident) if result.code else ""

    def _take(self, site: str, result: TrainResult, content: RecordDict) -> None:
        """Note an admitted reply, and pass it on."""
        self._pass_on_done()
        size = n_bytes(content)
        self._replies.answered[site] = Answered(
            replace(result, update=None), size, self._asked[site].n_bytes, content_sha256(content)
        )
        if len(self._roster) <= MANY:
            self._announce(
                f"{site} answered after {result.seconds:.1f} s of work, {size / 1e6:.2f} MB"
            )
        self._n_uncollected += size
        # A collection goes through the tasks that still wait, too: the more, the seldomer.
        if self._n_uncollected > COLLECT_BYTES * (1 + len(self._roster) // 500):
            gc.collect()  # Flower's messages are cycles: they would pile up until then
            self._n_uncollected = 0
        self._pass_in_turn(site, result)

    def _pass_in_turn(self, site: str, result: TrainResult) -> None:
        """Pass an update on, or keep it until those before it have come."""
        if self._roster[self._turn] == site:
            self._fold(site, result)
            self._turn += 1
            self._pass_on_done()
        else:
            self._waiting.put(site, result)

    def _miss(self, site: str, reason: str) -> None:
        self._replies.missing[site] = reason
        self._announce(f"{site} gave nothing: {reason}")

    def _fail(self, site: str, reason: str) -> None:
        self._failed.add(site)
        self._miss(site, reason)

    def _put_off(self, site: str, asked: _Asked, code: int) -> None:
        """Note that a site cannot answer yet, and when to ask again; say so once a round."""
        pause_s = min(AGAIN_S * (1 + self._n_put_off[site]), AGAIN_MOST_S)
        asked.message, asked.again_at = None, time.monotonic() + pause_s
        self._n_put_off[site] += 1
        self._replies.missing[site] = MEANING[code]
        if (site, code) not in self._told:
            self._told.add((site, code))
            self._announce(
                f"waiting for {site}: {MEANING[code]} (MEDFL-E{code}); it is asked again until then"
            )

    def _drop_revoked(self) -> None:
        """Do not wait for a site that was taken off the roster in mid-round."""
        for site in self._enrolled.keys() - self._post.roster().keys():
            if not self._is_done(site):
                self._fail(site, "its key was revoked")

    def _pass_on_done(self) -> None:
        """Pass on what waits, up to the first site that could still answer."""
        n_done = self._turn
        while n_done < len(self._roster) and self._is_done(self._roster[n_done]):
            n_done += 1
        self._pass_on(n_done)

    def _pass_on(self, end: int) -> None:
        for site in self._roster[self._turn : end]:
            result = self._waiting.pop(site)
            if result is not None:
                self._fold(site, result)
        self._turn = end

    def _is_closed(self, quorum: int) -> bool:
        if all(self._is_done(site) for site in self._roster):
            return True
        if self._is_enough(quorum):
            return True
        if self._replies.seconds >= self._study.plan.federation.deadline_s:
            return True
        return not self._out() and len(self._replies.answered) >= quorum

    def _put_in_order(self) -> None:
        """Put the answers in the roster's order, and give each missing site its reason."""
        answered = self._replies.answered
        self._replies.answered = {site: answered[site] for site in self._roster if site in answered}
        for site in self._roster:
            reason = None if site in answered else self._why_missing(site)
            if reason is not None:
                self._replies.missing.setdefault(site, reason)
        missing = self._replies.missing
        self._replies.missing = {site: missing[site] for site in self._roster if site in missing}

    def _why_missing(self, site: str) -> str | None:
        """Say why a site has not answered; None: it need not have."""
        return "no reply before the deadline" if site in self._asked else "not connected"
