"""Streams and floor of a secure sum: no stream twice, and no sum of fewer than is told."""

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.sums import WEIGHTS, World, plain_sum, vectors

from medfl_client.egress.sums.round_keys import StretchSecret
from medfl_common.privacy.mask_stream import add_stream
from medfl_common.privacy.shamir import SHARE_BYTES, join
from medfl_common.privacy.sum_keys import (
    own_stream,
    pair_stream,
    public_of,
    round_context,
)
from medfl_common.privacy.thresholds import fewest_summed


def test_no_stream_serves_two_of_ten_thousand_questions() -> None:
    seen: set[bytes] = set()
    secret = StretchSecret(1, b"\1" * 32, 1, b"\2" * 32)
    other = public_of(b"\3" * 32)
    n = 0
    for round_ in range(1, 11):
        keys = secret.keys(round_)
        private = X25519PrivateKey.from_private_bytes(keys.mask_key)
        for cohort in range(10):
            for mask_key in range(5):
                for weights in range(10):
                    told = {1: keys.mask_public, 2: bytes([mask_key]) * 32}
                    context = round_context(f"{cohort:064x}", round_, told, f"{weights:064x}")
                    seen.add(own_stream(keys.seed, context))
                    seen.add(pair_stream(private, other, context, (1, 2)))
                    n += 2
    assert len(seen) == n == 10_000


def test_a_list_for_each_hospital_gives_no_less_than_the_floor_which_it_reaches() -> None:
    """Of 12 with a threshold of 9, 8 can be summed: the study's own construction."""
    world = World.of(12)
    stretch, own = world.set_up(last=1), vectors(range(1, 13))
    masked = world.mask(stretch, 1, own)
    out, told = (1, 2, 3, 4), {}
    for place in range(1, 13):
        keep = place if place in out else out[place % 4]
        told[place] = [p for p in range(1, 13) if p not in out or p == keep]
    shares = {
        place: world.members[place].open(stretch.order_open(1, place, told[place]), 1)
        for place in told
    }

    def secret(place: int, is_seed: bool) -> bytes:
        start = SHARE_BYTES * (place - 1)
        given = [giver for giver in shares if (place in told[giver]) == is_seed][:9]
        assert len(given) == 9
        return join({giver: shares[giver][start : start + SHARE_BYTES] for giver in given})

    rest, context = range(5, 13), stretch.context(1, WEIGHTS)
    total = plain_sum(masked[place] for place in rest)
    for place in rest:
        add_stream(total, own_stream(secret(place, True), context), -1)
    for place in out:
        private = X25519PrivateKey.from_private_bytes(secret(place, False))
        for other in rest:
            key = pair_stream(private, stretch.mask_keys(1)[other], context, (place, other))
            add_stream(total, key, 1)
    assert np.array_equal(total, plain_sum(own[place] for place in rest))
    assert fewest_summed(12, 9) == len(rest) == 8
