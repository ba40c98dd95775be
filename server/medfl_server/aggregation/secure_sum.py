"""The coordinator's half of secure sums: hand keys and sealed shares on, add up, open one sum.

Everything here is a machine without clock, network or disk: what came goes in by a hospital's
place, what is to be sent comes out. Whoever keeps `hellos` and `setups` of a stretch, the running
total of a round and the list whose sum is opened can go on after a crash; the list must be kept
before the first opening is asked for. medfl_common.wire.secure_sum has the layouts.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from medfl_common.errors import RunError, SumError
from medfl_common.privacy.mask_stream import add_stream
from medfl_common.privacy.shamir import SHARE_BYTES, join
from medfl_common.privacy.sum_keys import (
    Stretch,
    cohort_context,
    hello_statement,
    is_signed,
    is_usable,
    own_stream,
    pair_stream,
    public_of,
    round_context,
    setup_statement,
)
from medfl_common.wire.secure_sum import ENTRY, HELLO, KEY, SEALED, Group, SumOrder, n_part_bytes

Masked = NDArray[np.uint32]


@dataclass
class SumStretch:
    """A stretch of rounds: first hellos come in, then setups, then its rounds are summed.

    stretch: Its run, plan, number and rounds.
    group: The approved hospitals.
    threshold: How many of them are needed to open a sum, see medfl_common.privacy.thresholds.
    hellos, setups: What came, by place.
    cohort: Who takes part, in order; empty until `close_hellos`.
    """

    stretch: Stretch
    group: Group
    threshold: int
    hellos: dict[int, bytes] = field(default_factory=dict)
    setups: dict[int, bytes] = field(default_factory=dict)
    cohort: tuple[int, ...] = ()

    def order_keys(self) -> SumOrder:
        """Ask a hospital for its channel key."""
        return SumOrder(*self._numbers, self.group.hash, self.group.names, self.group.keys)

    def take_hello(self, place: int, hello: bytes) -> None:
        """Take a channel key; raises RunError where its hospital did not sign it."""
        said = hello_statement(self.stretch, place, hello[:KEY])
        if len(hello) != HELLO or not is_signed(self.group.public[place], hello[KEY:], said):
            raise RunError("the hospital did not sign its key of this stretch of rounds")
        if not is_usable(hello[:KEY]):
            raise RunError("the hospital's key of this stretch of rounds is none")
        self.hellos[place] = hello

    def close_hellos(self) -> None:
        """Let those whose keys came be the cohort; raises SumError where they are too few."""
        if len(self.hellos) < self.threshold:
            raise SumError(
                f"{len(self.hellos)} hospitals gave their keys, {self.threshold} are needed for "
                "a secure sum",
                todo="wait until more are connected, and begin another stretch of rounds",
            )
        self.cohort = tuple(sorted(self.hellos))

    def order_setups(self) -> SumOrder:
        """Ask a hospital of the cohort to seal its shares."""
        hellos = b"".join(self.hellos[place] for place in self.cohort)
        cohort = self.cohort
        return SumOrder(*self._numbers, self.group.hash, cohort=cohort, hellos=hellos)

    def take_setups(self, place: int, setups: bytes) -> None:
        """Take what a hospital made for all rounds; raises RunError where it did not sign it."""
        if len(setups) != n_part_bytes("setups", len(self.cohort), len(self.stretch.rounds)):
            raise RunError("the hospital's setups are of another size")
        self.setups[place] = setups
        for round_ in self.stretch.rounds:
            entry = self._entry(round_, place)
            mask_key, commitment, signature = entry[:KEY], entry[KEY : 2 * KEY], entry[2 * KEY :]
            said = setup_statement(self._context, round_, place, mask_key, commitment)
            is_own = is_signed(self.group.public[place], signature, said)
            if not (is_own and is_usable(mask_key)):
                del self.setups[place]
                raise RunError("the hospital did not sign its keys of a round, or they are none")

    @property
    def is_set_up(self) -> bool:
        """Say whether all of the cohort gave their setups, and rounds can be summed."""
        return bool(self.cohort) and set(self.setups) == set(self.cohort)

    def order_round(self, round_: int, to: int) -> SumOrder:
        """Give what goes with the weights of a round to one place."""
        others = [place for place in self.cohort if place != to]
        parts = (self._entry(round_, p) + self._sealed(round_, p, to) for p in others)
        return SumOrder(*self._numbers, self.group.hash, setups=b"".join(parts))

    def order_open(self, round_: int, to: int, summed: Iterable[int]) -> SumOrder:
        """Ask a place for its shares; `summed`: whose vectors came, the same list to all."""
        others = [place for place in self.cohort if place != to]
        sealed = b"".join(self._sealed(round_, place, to) for place in others)
        listed = tuple(sorted(summed))
        return SumOrder(*self._numbers, self.group.hash, summed=listed, sealed=sealed)

    def mask_keys(self, round_: int) -> dict[int, bytes]:
        """Give the public mask key of each of the cohort."""
        return {place: self._entry(round_, place)[:KEY] for place in self.cohort}

    def commitment(self, round_: int, place: int) -> bytes:
        """Give the SHA-256 of a hospital's seed of a round."""
        return self._entry(round_, place)[KEY : 2 * KEY]

    def context(self, round_: int, weights: str) -> str:
        """Give the hash of all that a round's masks belong to; `weights`: `weights_digest`."""
        return round_context(self._context, round_, self.mask_keys(round_), weights)

    @property
    def _numbers(self) -> tuple[int, int, int]:
        return self.stretch.number, self.stretch.first, self.stretch.last

    @cached_property
    def _context(self) -> str:
        return cohort_context(self.stretch, {p: self.hellos[p][:KEY] for p in self.cohort})

    def _of_round(self, round_: int, place: int) -> bytes:
        size = n_part_bytes("setups", len(self.cohort), 1)
        start = size * (round_ - self.stretch.first)
        return self.setups[place][start : start + size]

    def _entry(self, round_: int, place: int) -> bytes:
        return self._of_round(round_, place)[:ENTRY]

    def _sealed(self, round_: int, giver: int, taker: int) -> bytes:
        """Give what one place sealed for another."""
        number = [place for place in self.cohort if place != giver].index(taker)
        start = ENTRY + SEALED * number
        return self._of_round(round_, giver)[start : start + SEALED]


def open_sum(
    stretch: SumStretch,
    round_: int,
    weights: str,
    total: Masked,
    summed: Iterable[int],
    shares: Mapping[int, bytes],
) -> Masked:
    """Take every mask away from a total; the order in which its parts came cannot change a bit.

    Args:
        stretch: Of the round.
        round_: The round.
        weights: `weights_digest` of the round's task.
        total: (P,) the masked vectors of `summed`, added modulo 2^32; it stays as it is.
        summed: The places whose vectors are in it.
        shares: What each place gave for this list; of the first `threshold` of them a secret is
            rebuilt, and held against what its hospital has signed.

    Returns:
        (P,) the sum of the vectors modulo 2^32. Raises RunError where shares are wrong or missing.
    """
    if len(shares) < stretch.threshold:
        raise RunError(f"{len(shares)} hospitals gave shares, {stretch.threshold} are needed")
    for place, part in shares.items():
        if len(part) != n_part_bytes("open", len(stretch.cohort), 1):
            raise RunError(f"the shares of {stretch.group.names[place - 1]} are of another size")
    opened, context, present = total.copy(), stretch.context(round_, weights), set(summed)
    mask_keys = stretch.mask_keys(round_)
    for number, place in enumerate(stretch.cohort):
        start = SHARE_BYTES * number
        given = {giver: shares[giver][start : start + SHARE_BYTES] for giver in sorted(shares)}
        is_seed = place in present
        expected = stretch.commitment(round_, place) if is_seed else mask_keys[place]
        secret = _rebuilt(given, stretch.threshold, is_seed, expected)
        if secret is None:
            name = stretch.group.names[place - 1]
            raise RunError(f"the shares of the secret of {name} do not fit what it has signed")
        if is_seed:
            add_stream(opened, own_stream(secret, context), -1)
            continue
        private = X25519PrivateKey.from_private_bytes(secret)
        for other in sorted(present):  # each has added or taken away its mask with the missing one
            pair = pair_stream(private, mask_keys[other], context, (place, other))
            add_stream(opened, pair, -1 if other < place else 1)
    return opened


def _rebuilt(
    given: Mapping[int, bytes], threshold: int, is_seed: bool, expected: bytes
) -> bytes | None:
    """Rebuild a secret from exactly as many shares as are needed; None: it is not the signed one.

    Where more came than are needed, one wrong share does no harm.
    """
    for left_out in (None, *given) if len(given) > threshold else (None,):
        some = [giver for giver in given if giver != left_out][:threshold]
        try:
            secret = join({giver: given[giver] for giver in some})
        except ValueError:
            continue
        found = hashlib.sha256(secret).digest() if is_seed else public_of(secret)
        if found == expected:
            return secret
    return None
