"""Shares, masks, fixed point and thresholds of secure sums."""

import itertools
import random
from functools import cache

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from medfl_common.privacy.derived_keys import derive
from medfl_common.privacy.fixed_point import FixedPoint
from medfl_common.privacy.mask_stream import PIECE, add_stream
from medfl_common.privacy.shamir import PRIME, SHARE_BYTES, join, split
from medfl_common.privacy.thresholds import fewest_summed, most_lost, threshold


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, bytes(range(32))])
def test_any_shares_up_to_the_threshold_give_the_secret_back(secret: bytes) -> None:
    shares = split(secret, range(1, 6), 3, bytes(31) + b"\1")

    assert all(len(share) == SHARE_BYTES for share in shares.values())
    for places in itertools.combinations(shares, 3):
        assert join({place: shares[place] for place in places}) == secret


def test_one_share_too_few_fits_every_secret() -> None:
    """Two points and any secret lie on a polynomial of degree 2: here it is, by hand."""
    shares = split(b"\7" * 32, range(1, 4), 3, b"\1" * 32)
    first, second = (int.from_bytes(shares[place]) for place in (1, 2))

    for secret in (0, 1, 2**256 - 1):
        # f(0) = s, f(1) = first, f(2) = second: f(3) = s - 3 f(1) + 3 f(2).
        third = (secret - 3 * first + 3 * second) % PRIME
        found = join({1: shares[1], 2: shares[2], 3: third.to_bytes(SHARE_BYTES)})
        assert int.from_bytes(found) == secret


def test_the_same_seed_gives_the_same_shares_and_another_gives_others() -> None:
    one, again, other = (split(bytes(32), [1, 2], 2, bytes([n]) * 32) for n in (1, 1, 2))

    assert one == again
    assert one[1] != other[1]


@pytest.mark.parametrize("size", [1, PIECE // 4 - 1, PIECE // 4 + 1, PIECE])
def test_a_mask_is_the_stream_of_aes_in_counter_mode_and_can_be_taken_away(size: int) -> None:
    key, vector = bytes(range(32)), np.arange(size, dtype=np.uint32)
    cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    stream = np.frombuffer(cipher.update(bytes(4 * size)), "<u4")

    add_stream(vector, key, 1)
    assert np.array_equal(vector, np.arange(size, dtype=np.uint32) + stream)

    add_stream(vector, key, -1)
    assert np.array_equal(vector, np.arange(size, dtype=np.uint32))


def test_purposes_that_look_alike_give_other_keys() -> None:
    secret = b"\1" * 32
    keys = [derive(secret, *w) for w in ((), ("a", 1), ("a1",), ("a", "1"), ("a", 1, ""))]

    assert len(set(keys)) == len(keys)


def test_the_mean_of_fifty_sites_is_right_within_a_hundred_millionth_of_the_range() -> None:
    rng, form = np.random.default_rng(0), FixedPoint(range=1.0, most_images=5000, n_sites=50)
    images = rng.integers(100, 5000, 50)
    values = (rng.standard_normal((50, 3000)) * 0.1).clip(-1, 1).astype(np.float32)

    total = np.zeros(3000, np.uint32)
    for own, n in zip(values, images, strict=True):
        total += form.quantise(own, int(n))[0]
    mean = form.dequantise(total) / images.sum()

    exact = (values.astype(np.float64) * images[:, None]).sum(0) / images.sum()
    assert np.abs(mean - exact).max() < 1e-8


@pytest.mark.parametrize("n_sites", [2, 3, 50])
def test_the_largest_changes_of_all_sites_have_room_and_what_is_beyond_is_counted(
    n_sites: int,
) -> None:
    form = FixedPoint(range=0.5, most_images=10, n_sites=n_sites)
    part, n_clipped = form.quantise(np.array([0.5, -0.5, 9, -9], np.float32), 10)

    total = np.zeros(4, np.uint32)
    for _ in range(n_sites):
        total += part
    assert n_clipped == 2
    assert form.dequantise(total) / (10 * n_sites) == pytest.approx([0.5, -0.5, 0.5, -0.5])
    with pytest.raises(ValueError, match="11 images"):
        form.quantise(np.zeros(1, np.float32), 11)


def test_thresholds_and_floors_are_those_of_the_table() -> None:
    sizes = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 50)
    needed = [threshold(n) for n in sizes]

    assert needed == [2, 3, 3, 4, 5, 6, 7, 9, 11, 14, 21, 34]
    assert [most_lost(n) for n in sizes] == [0, 0, 1, 1, 1, 2, 3, 3, 5, 6, 9, 16]
    assert all(threshold(n) == 2 * n // 3 + 1 for n in range(3, 100))
    floors = [fewest_summed(n, t) for n, t in zip(sizes, needed, strict=True)]
    assert floors == [2, 3, 3, 4, 5, 6, 6, 8, 9, 12, 18, 27]
    helped = [fewest_summed(n, t, n // 4) for n, t in zip(sizes, needed, strict=True)]
    assert helped == [2, 3, 3, 4, 5, 5, 6, 8, 8, 10, 16, 23]
    assert threshold(10, 1) == 9
    assert fewest_summed(5, 4, 4) == 5
    with pytest.raises(ValueError, match="may vanish"):
        threshold(6, 2)


def smallest_by_trying(n: int, t: int, c: int) -> int:
    """Try every list to every honest site: how many can be taken out of the sum?

    Sites 0 to c - 1 collude and are in the sum. Out of it are honest sites, whose mask key t - c
    honest sites have told, each in a list with itself that leaves n - t sites out at most.
    """
    honest = range(c, n)
    for n_out in range(n - c - 1, 0, -1):
        out, needed = range(c, c + n_out), max(t - c, 0)

        @cache
        def can_be(
            site: int, told: tuple[int, ...], out: range = out, needed: int = needed
        ) -> bool:
            if min(told) >= needed:
                return True
            if site == n:
                return False
            others = [one for one in out if one != site]
            for size in range(min(n - t, len(others)), -1, -1):
                for left in itertools.combinations(others, size):
                    more = [min(told[i] + (one in left), needed) for i, one in enumerate(out)]
                    if can_be(site + 1, tuple(sorted(more)) if site >= out[-1] else tuple(more)):
                        return True
            return False

        if can_be(honest[0], (0,) * n_out):
            return n - n_out
    return n


@pytest.mark.parametrize("n", range(3, 9))
def test_no_cheating_with_lists_gets_below_the_floor(n: int) -> None:
    for lost in range(most_lost(n) + 1):
        t = threshold(n, lost)
        for c in range(min(t - 1, 3)):
            assert smallest_by_trying(n, t, c) >= fewest_summed(n, t, c), (t, c)
        assert smallest_by_trying(n, t, 0) == fewest_summed(n, t) == t


def test_the_floor_is_that_of_the_whole_group_whatever_part_of_it_is_a_cohort() -> None:
    for n in range(2, 51):
        t, c = threshold(n), n // 4
        by_size = [a - (a - c) * (a - t) // (t - c) for a in range(t, n + 1)]
        assert min(by_size) == fewest_summed(n, t, c)


def test_shares_of_random_groups_open_by_exactly_the_threshold() -> None:
    chance = random.Random(5)
    for n in (2, 7, 50):
        t, secret = threshold(n), chance.randbytes(32)
        shares = split(secret, range(1, n + 1), t, chance.randbytes(32))
        some = chance.sample(range(1, n + 1), t)
        assert join({place: shares[place] for place in some}) == secret
