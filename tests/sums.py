"""Hospitals in memory that take part in secure sums, and a coordinator that sums them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from medfl_client.egress.sums.journal import Journal, MemoryJournal
from medfl_client.egress.sums.member import Member
from medfl_client.egress.sums.standing import Identity
from medfl_common.plan.privacy import SecureSum
from medfl_common.privacy.sum_keys import Stretch
from medfl_common.privacy.thresholds import threshold
from medfl_common.wire.secure_sum import Group
from medfl_common.wire.study_key import key_line
from medfl_server.aggregation.secure_sum import SumStretch, open_sum

RUN, PLAN, WEIGHTS = "ab" * 16, "cd" * 32, "ef" * 32


@dataclass
class World:
    """A group of hospitals h01, h02, ...; places are their numbers."""

    group: Group
    signing: dict[int, Ed25519PrivateKey]
    members: dict[int, Member]
    journals: dict[int, Journal]

    @classmethod
    def of(cls, n: int, sums: SecureSum | None = None) -> "World":
        """Make n hospitals."""
        signing = {place: Ed25519PrivateKey.generate() for place in range(1, n + 1)}
        lines = {f"h{place:02d}": key_line(key.public_key()) for place, key in signing.items()}
        journals: dict[int, Journal] = {place: MemoryJournal() for place in signing}
        world = cls(Group.of(lines), signing, {}, journals)
        for place in signing:
            world.start(place, sums or SecureSum())
        return world

    def start(self, place: int, sums: SecureSum | None = None) -> Member:
        """Start a hospital again: all that it knows is in its journal."""
        name = self.group.names[place - 1]
        own = Identity(name, self.signing[place], RUN, PLAN, sums or SecureSum())
        self.members[place] = Member(own, self.journals[place])
        return self.members[place]

    def stretch(self, number: int = 1, first: int = 1, last: int = 2) -> SumStretch:
        """Give an empty stretch at the coordinator."""
        told = Stretch(RUN, PLAN, self.group.hash, number, first, last)
        return SumStretch(told, self.group, threshold(len(self.group.names)))

    def set_up(
        self, number: int = 1, first: int = 1, last: int = 2, cohort: Iterable[int] = ()
    ) -> SumStretch:
        """Go through the trips of keys and setups."""
        stretch = self.stretch(number, first, last)
        for place in [*cohort] or [*self.members]:
            stretch.take_hello(place, self.members[place].hello(stretch.order_keys()))
        stretch.close_hellos()
        for place in stretch.cohort:
            stretch.take_setups(place, self.members[place].setups(stretch.order_setups()))
        return stretch

    def mask(
        self, stretch: SumStretch, round_: int, vectors: dict[int, NDArray[np.uint32]]
    ) -> dict[int, NDArray[np.uint32]]:
        """Have the hospitals mask their vectors."""
        orders = {place: stretch.order_round(round_, place) for place in vectors}
        return {
            place: self.members[place].mask(orders[place], round_, vector, WEIGHTS)
            for place, vector in vectors.items()
        }

    def open(
        self,
        stretch: SumStretch,
        round_: int,
        masked: dict[int, NDArray[np.uint32]],
        givers: Iterable[int] = (),
    ) -> NDArray[np.uint32]:
        """Add up what came, and have it opened by some, or all."""
        summed = sorted(masked)
        total = np.zeros_like(masked[summed[0]])
        for part in masked.values():
            total += part
        shares = {
            place: self.members[place].open(stretch.order_open(round_, place, summed), round_)
            for place in [*givers] or summed
        }
        return open_sum(stretch, round_, WEIGHTS, total, summed, shares)


def vectors(places: Iterable[int], size: int = 40, seed: int = 0) -> dict[int, NDArray[np.uint32]]:
    """Draw a vector for each place."""
    rng = np.random.default_rng(seed)
    return {p: rng.integers(0, 2**32, size, dtype=np.uint64).astype(np.uint32) for p in places}


def plain_sum(parts: Iterable[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """Add vectors as whole numbers, and take the rest modulo 2^32."""
    return (np.sum([part.astype(object) for part in parts], axis=0) % 2**32).astype(np.uint32)
