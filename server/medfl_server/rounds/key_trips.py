"""The two small trips before the rounds of a secure sum: channel keys, then sealed shares.

They are made once for up to 20 rounds. The group is the roster when the first sum is asked for, and
stays so: each hospital approves it. Who has not given its keys waits for the next stretch.
"""

from collections.abc import Sequence

from medfl_common.errors import ConfigError, RunError, SumError
from medfl_common.privacy.sum_keys import Stretch
from medfl_common.privacy.thresholds import threshold
from medfl_common.wire.results import TrainResult
from medfl_common.wire.secure_sum import HELLO, MOST_ROUNDS, Group, SumOrder, n_part_bytes
from medfl_common.wire.tasks import SCORINGS, Kind
from medfl_server.aggregation.secure_sum import SumStretch
from medfl_server.rounds.asking import Asking
from medfl_server.rounds.reorder_buffer import Aggregate
from medfl_server.rounds.sum_records import read_stretch, write_stretch
from medfl_server.rounds.sum_trip import SumTrip
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import Announce

RENEW_AFTER = 5  # rounds, before a hospital that is back gets keys
TRIES = 3  # of a stretch, where a hospital gave its keys and then no shares


class KeyTrips:
    """The stretch of rounds whose keys are in use.

    Args:
        study: The run directory and its plan.
        asking: Makes collections.
        announce: Takes one line per event.
    """

    def __init__(self, study: Study, asking: Asking, announce: Announce) -> None:
        self._study = study
        self._asking = asking
        self._announce = announce
        self._newest = read_stretch(study.files, study.run)
        self._failed = False  # whether a hospital of the cohort could not mask
        self._was_short = False  # whether the last round had too few

    def group(self) -> Group:
        """Give the hospitals that are summed; raises ConfigError where they are too few."""
        if self._newest is not None:
            return self._newest.group
        group, sums = (
            Group.of(self._asking.post.signing_keys()),
            self._study.plan.privacy.secure_sum,
        )
        assert sums is not None
        n = len(group.names)
        if n < max(sums.at_least, 2):
            raise ConfigError(
                f"{n} hospitals are enrolled, and privacy.secure_sum.at_least is {sums.at_least}",
                todo="enrol more of them, or agree on another plan",
            )
        self.threshold(group)
        return group

    def threshold(self, group: Group) -> int:
        """Count the hospitals that are needed to open a sum; raises ConfigError for bad numbers."""
        sums = self._study.plan.privacy.secure_sum
        assert sums is not None
        try:
            needed = threshold(len(group.names), sums.may_lose)
        except ValueError as error:
            raise ConfigError(f"privacy.secure_sum.may_lose: {error}") from None
        if needed < sums.at_least:
            raise ConfigError(
                f"{needed} of {len(group.names)} hospitals open a sum, and "
                f"privacy.secure_sum.at_least is {sums.at_least}",
                todo="agree on a smaller may_lose",
            )
        return needed

    def newest(self) -> SumStretch | None:
        """Give the stretch that was begun last."""
        return self._newest

    def note(self, n_answered: int, failed: bool) -> None:
        """Hear how a round went: whether it had enough, and whether one of the cohort failed."""
        enough = self._newest.threshold if self._newest else 0
        self._was_short, self._failed = n_answered < enough, failed

    def stretch_for(self, number: int, made: int) -> SumStretch | None:
        """Give keys for a round, as sum_round numbers it; None: too few gave theirs.

        Args:
            number: The round.
            made: The last round made.
        """
        if self._newest is not None and self._is_good_for(self._newest, number):
            return self._newest
        chosen: list[str] | None = None
        for _ in range(TRIES):
            stretch = self._begin(number)
            gave = self._ask("keys", made, stretch, chosen)
            try:
                stretch.close_hellos()
            except SumError as error:
                self._announce(str(error))
                return None
            chosen = self._ask("setups", made, stretch, gave)
            if stretch.is_set_up:
                write_stretch(self._study.files, stretch)
                return stretch
        return None

    def _is_good_for(self, stretch: SumStretch, number: int) -> bool:
        """Say whether a stretch serves a round, and nobody waits who should get keys."""
        is_ours = stretch.stretch.plan == self._study.plan.hash()
        if not (is_ours and stretch.is_set_up and number in stretch.stretch.rounds):
            return False
        inside = {stretch.group.names[place - 1] for place in stretch.cohort}
        waits = bool(self._present(stretch.group) - inside) or self._failed
        return not waits or not (self._was_short or number - stretch.stretch.first >= RENEW_AFTER)

    def _present(self, group: Group) -> set[str]:
        post = self._asking.post
        return set(group.names) & post.connected_sites().keys() & post.roster().keys()

    def _begin(self, number: int) -> SumStretch:
        """Number a stretch, and write that down: hospitals never go back to an earlier one."""
        plan, before = self._study.plan, self._newest
        group = self.group()
        last = min(number + MOST_ROUNDS - 1, plan.federation.rounds)
        if number >= SCORINGS:
            last = number + (plan.evaluation.test > 0 and number % 2 == 0)
        counted = 1 if before is None else before.stretch.number + 1
        stretch = Stretch(self._study.run, plan.hash(), group.hash, counted, number, last)
        self._newest = SumStretch(stretch, group, self.threshold(group))
        self._failed = self._was_short = False
        write_stretch(self._study.files, self._newest)
        return self._newest

    def _ask(
        self, kind: Kind, made: int, stretch: SumStretch, chosen: Sequence[str] | None
    ) -> list[str]:
        """Make one of the two trips; name those who answered it."""
        names, n_rounds = stretch.group.names, len(stretch.stretch.rounds)
        is_keys, gave = kind == "keys", list[str]()

        def take(site: str, result: TrainResult) -> None:
            place = stretch.group.place(site)
            try:
                (stretch.take_hello if is_keys else stretch.take_setups)(place, result.part)
                gave.append(site)
            except RunError as error:
                self._announce(f"{site}: {error}")

        taking: Aggregate = take
        order: SumOrder = stretch.order_keys() if is_keys else stretch.order_setups()
        size = HELLO if is_keys else n_part_bytes("setups", len(stretch.cohort), n_rounds)
        wanted = set(names if chosen is None else chosen)
        trip = SumTrip(dict.fromkeys(names, order), size)
        collection = self._asking.collection(kind, made, taking, wanted, trip=trip)
        collection.run(kind, 0, {}, lambda: stretch.threshold)
        return gave
