"""A round as a secure sum: masked numbers are added as they come, then one list of them is opened.

The list of whose numbers came is on the disk before anybody is asked to open it, with the masked
sum; see sum_records. Bonawitz et al. 2017, https://eprint.iacr.org/2017/281, with one opening trip.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from flwr.app import RecordDict
from numpy.typing import NDArray

from medfl_common.errors import RunError, SumError
from medfl_common.models.weights import norm
from medfl_common.run.checkpoint import Checkpoint
from medfl_common.wire.pooled import Pooled, PooledLayout
from medfl_common.wire.results import TrainResult
from medfl_common.wire.secure_sum import n_part_bytes, weights_digest
from medfl_common.wire.tasks import Kind, pack_weights, sum_round
from medfl_server.aggregation.secure_sum import SumStretch, open_sum
from medfl_server.rounds.asking import Asking
from medfl_server.rounds.barrier import RoundBarrier
from medfl_server.rounds.disk_retry import write_with_retry
from medfl_server.rounds.key_trips import KeyTrips
from medfl_server.rounds.outcome import Replies
from medfl_server.rounds.reorder_buffer import Aggregate
from medfl_server.rounds.sum_records import SumAhead, read_ahead, write_ahead
from medfl_server.rounds.sum_trip import SumTrip
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce

SUM = "the sum"  # in place of a site's name, where a pooled update is aggregated
OPENING_S = 3.0  # how long the others are waited for, once enough have opened
NO_KEYS = "it has no keys in this stretch of rounds"
UNOPENED = "its masked numbers are here, and too few hospitals were there to open the sum"
AWAY = ("no reply before the deadline", "not connected", "still at work", NO_KEYS)


class SummedRounds:
    """Asks a question of all hospitals of the group, and reads the sum of the answers.

    Args:
        study: The run directory and its plan.
        asking: Makes collections.
        announce: Takes one line per event.
    """

    def __init__(self, study: Study, asking: Asking, announce: Announce) -> None:
        self._study = study
        self._asking = asking
        self._announce = announce
        sums = study.plan.privacy.secure_sum
        self._at_least = 2 if sums is None else sums.at_least
        self._keys = KeyTrips(study, asking, announce)

    def threshold(self) -> int:
        """Count the hospitals that are needed."""
        return self._keys.threshold(self._keys.group())

    def collect(
        self, kind: Kind, model: Checkpoint, round_: int, take: Aggregate,
        quorum: Callable[[], int], max_norm: float = math.inf,
    ) -> Replies:  # fmt: skip
        """Ask, add up, open; `take` gets the mean update where there is one that may be used.

        Args:
            kind: Of the task.
            model: What the sites work with.
            round_: The round that is asked about.
            take: Takes the pooled result.
            quorum: Counts the valid replies that are needed.
            max_norm: The mean update may not be longer.
        """
        made, number = model.round, sum_round(kind, round_)
        ahead = read_ahead(self._study.files, number)
        stretch = self._keys.stretch_for(number, made) if ahead is None else self._keys.newest()
        if ahead is not None and (stretch is None or stretch.stretch.number != ahead.number):
            raise RunError(
                f"{self._study.files.stretch} has not the keys of the sum that was to be opened",
                todo="put the folder back from a copy; the hospitals open no other sum of it",
            )
        if stretch is None:
            return Replies(missing=dict.fromkeys(self._asking.post.roster(), NO_KEYS))
        shapes = {name: tuple(tensor.shape) for name, tensor in model.weights.items()}
        layout = PooledLayout(self._study.plan, kind, shapes, len(stretch.group.names))
        if ahead is None:
            ahead = self._add_up(kind, model, round_, stretch, layout, quorum)
            if len(ahead.summed) < quorum():
                return ahead.replies
            files, written = self._study.files, ahead
            write_with_retry(lambda: write_ahead(files, written), files.path, self._announce)
        replies = ahead.replies
        total = self._open(made, stretch, ahead)
        if total is None:
            return Replies(missing=dict.fromkeys(replies.answered, UNOPENED) | replies.missing)
        self._read(layout, total, replies, take, round_, max_norm)
        return replies

    def _add_up(
        self, kind: Kind, model: Checkpoint, round_: int, stretch: SumStretch,
        layout: PooledLayout, quorum: Callable[[], int],
    ) -> SumAhead:  # fmt: skip
        """Collect the masked numbers of the cohort in one running sum, in whatever order."""
        number, names = sum_round(kind, round_), stretch.group.names
        total, summed = np.zeros(layout.length, np.uint32), list[int]()

        def add(site: str, result: TrainResult) -> None:
            assert result.masked is not None
            np.add(total, result.masked, out=total)
            summed.append(stretch.group.place(site))

        places = {names[place - 1]: place for place in stretch.cohort}
        orders = {site: stretch.order_round(number, place) for site, place in places.items()}
        collection = self._asking.collection(
            kind, model.round, add, places, AsTheyCome(self._asking.late),
            SumTrip(orders, layout.length),
        )  # fmt: skip
        replies = collection.run(kind, round_, model.weights, quorum)
        failed = [why for why in replies.missing.values() if not why.startswith(AWAY)]
        self._keys.note(len(summed), bool(failed))
        for site in self._asking.post.roster():
            if site not in places:
                replies.missing[site] = NO_KEYS
        replies.is_masked = True
        packed = pack_weights(model.weights, self._study.plan)
        weights = weights_digest(RecordDict({"weights": packed}))
        return SumAhead(stretch.stretch.number, number, weights, sorted(summed), replies, total)

    def _open(self, made: int, stretch: SumStretch, ahead: SumAhead) -> NDArray[np.uint32] | None:
        """Ask those whose numbers are in the sum for their shares; None: too few gave them."""
        shares: dict[int, bytes] = {}

        def add(site: str, result: TrainResult) -> None:
            shares[stretch.group.place(site)] = result.part

        names = stretch.group.names
        orders = {
            names[place - 1]: stretch.order_open(ahead.round, place, ahead.summed)
            for place in ahead.summed
        }
        size = n_part_bytes("open", len(stretch.cohort), 1)
        collection = self._asking.collection(
            "open", made, add, orders, UntilOpened(self._asking.late), SumTrip(orders, size)
        )
        collection.run("open", ahead.round, {}, lambda: stretch.threshold)
        try:
            return open_sum(stretch, ahead.round, ahead.weights, ahead.total, ahead.summed, shares)
        except (RunError, SumError) as error:
            self._announce(f"the sum of {len(ahead.summed)} hospitals is not opened: {error}")
            return None

    def _read(
        self, layout: PooledLayout, total: NDArray[np.uint32], replies: Replies, take: Aggregate,
        round_: int, max_norm: float,
    ) -> None:  # fmt: skip
        """Give what a sum says to the strategy, unless it cannot be."""
        try:
            pooled = layout.decode(total, len(replies.answered))
            self._check(pooled, replies, max_norm)
        except RunError as error:
            replies.void = error.what
            self._announce(f"round {round_} changes nothing: {error.what}")
            return
        if pooled.n_scoring < self._at_least:  # of fewer it would tell too much of each
            pooled = replace(pooled, score_counts=None)
        replies.pooled = pooled
        if pooled.update:
            take(
                SUM,
                TrainResult(
                    0, round_, 0, n_images=pooled.n_images, n_steps=pooled.n_steps,
                    train_loss=pooled.train_loss, update=pooled.update,
                ),
            )  # fmt: skip

    def _check(self, pooled: Pooled, replies: Replies, max_norm: float) -> None:
        """Raise RunError where a sum is not likely: single updates cannot be looked into."""
        roster = self._asking.post.roster()
        enrolled = [one for site in replies.answered if (one := roster.get(site)) is not None]
        stated = [one.max_images for one in enrolled if one.max_images]
        if len(stated) == len(replies.answered) and pooled.n_images > sum(stated):
            raise RunError(
                f"the sum is of {pooled.n_images} images, and its hospitals have stated "
                f"{sum(stated)} at the most"
            )
        seen = norm(pooled.update)
        if seen > max_norm:
            raise RunError(
                f"the mean update is too large: its norm is {seen:.3g}, {max_norm:.3g} is the most "
                "that the weights and the last rounds make likely (federation.norm_limit)"
            )


class AsTheyCome(RoundBarrier):
    """Sums are exact in any order: nothing waits for its turn."""

    in_order = False


class UntilOpened(RoundBarrier):
    """Once enough have opened a sum, the others are waited for a little longer."""

    in_order = False
    _enough = math.inf  # since when, on the monotonic clock

    def is_made(self, n_answered: int, quorum: int) -> bool:
        """Say whether enough have opened it, and the others had their time."""
        if n_answered < quorum:
            return False
        self._enough = min(self._enough, time.monotonic())
        return time.monotonic() - self._enough > OPENING_S
