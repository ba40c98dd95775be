"""Sums of masked vectors, opened by the coordinator's half and the hospitals' half together."""

import random
from copy import deepcopy

import numpy as np
import pytest
from tests.sums import WEIGHTS, World, plain_sum, vectors

from medfl_common.errors import RunError, SumError
from medfl_common.privacy.thresholds import most_lost, threshold
from medfl_server.aggregation.secure_sum import open_sum

LIMIT = 1023 + 5 * (2 * 1023) ** 0.5  # of chi-square: five standard deviations


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 10, 20, 50])
def test_the_opened_sum_is_the_sum_of_those_whose_vectors_came(n: int) -> None:
    chance, world = random.Random(n), World.of(n)
    stretch = world.set_up(last=1)
    places = chance.sample(stretch.cohort, n - chance.randint(0, most_lost(n)))
    own = vectors(places, seed=n)

    masked = world.mask(stretch, 1, own)
    opened = world.open(stretch, 1, masked, chance.sample(places, threshold(n)))

    assert np.array_equal(opened, plain_sum(own.values()))
    assert all(not np.array_equal(masked[place], own[place]) for place in places)


def test_sixty_random_cohorts_and_dropouts_have_no_wrong_sum() -> None:
    chance = random.Random(0)
    for trial in range(60):
        n = chance.randint(2, 12)
        t, world = threshold(n), World.of(n)
        cohort = chance.sample(range(1, n + 1), chance.randint(t, n))
        stretch = world.set_up(number=chance.randint(1, 9), first=3, last=4, cohort=cohort)
        for round_ in (3, 4):
            places = chance.sample(cohort, chance.randint(t, len(cohort)))
            own = vectors(places, size=5, seed=trial)
            masked = world.mask(stretch, round_, own)
            opened = world.open(stretch, round_, masked, chance.sample(places, t))
            assert np.array_equal(opened, plain_sum(own.values()))


def test_the_order_of_arrival_and_who_opens_cannot_change_a_bit() -> None:
    world = World.of(7)
    stretch = world.set_up(last=1)
    own = vectors((1, 2, 4, 6, 7), size=1000)
    masked = world.mask(stretch, 1, own)
    turned = dict(reversed(masked.items()))

    assert np.array_equal(world.open(stretch, 1, masked), world.open(stretch, 1, turned))


def test_too_few_shares_open_nothing_and_one_wrong_share_among_more_does_no_harm() -> None:
    world = World.of(5)  # 4 are needed
    stretch = world.set_up(last=1)
    own = vectors(range(1, 6))
    masked = world.mask(stretch, 1, own)
    total = plain_sum(masked.values())
    summed = [1, 2, 3, 4, 5]
    shares = {p: world.members[p].open(stretch.order_open(1, p, summed), 1) for p in summed}

    def opened(shares: dict[int, bytes]) -> np.ndarray:
        return open_sum(stretch, 1, WEIGHTS, total, summed, shares)

    with pytest.raises(RunError, match="3 hospitals gave shares, 4 are needed"):
        opened({p: shares[p] for p in (1, 2, 3)})
    with pytest.raises(RunError, match="another size"):
        opened({**shares, 2: shares[2][1:]})
    wrong = bytes(len(shares[2]))
    assert np.array_equal(opened({**shares, 2: wrong}), plain_sum(own.values()))
    with pytest.raises(RunError, match="do not fit what it has signed"):
        opened({p: {**shares, 2: wrong}[p] for p in (1, 2, 3, 4)})


def test_keys_that_another_signed_are_not_taken_and_too_few_begin_nothing() -> None:
    world = World.of(4)
    stretch = world.stretch()
    hello = world.members[1].hello(stretch.order_keys())

    with pytest.raises(RunError, match="did not sign"):
        stretch.take_hello(2, hello)
    stretch.take_hello(1, hello)
    with pytest.raises(SumError, match="1 hospitals gave their keys, 3 are needed"):
        stretch.close_hellos()


def test_setups_that_were_changed_are_not_taken() -> None:
    world = World.of(3)
    stretch = world.set_up()
    setups = world.members[1].setups(stretch.order_setups())

    with pytest.raises(RunError, match="did not sign its keys"):
        stretch.take_setups(1, bytes([setups[0] ^ 1]) + setups[1:])
    with pytest.raises(RunError, match="another size"):
        stretch.take_setups(1, setups[1:])
    assert not stretch.is_set_up


def test_all_that_a_coordinator_keeps_is_the_same_for_updates_with_the_same_sum() -> None:
    """One hospital's update becomes another, and the next one's makes up for it."""
    world = World.of(4)
    stretch, one = world.set_up(last=1), vectors(range(1, 5), size=1 << 18)
    shift = vectors([0], size=1 << 18, seed=9)[0]
    other = {**one, 1: one[1] + shift, 2: one[2] - shift}
    again = deepcopy(world.journals)
    kept = []
    for own, journals in ((one, world.journals), (other, again)):
        world.journals = journals
        for place in own:
            world.start(place)
        masked = world.mask(stretch, 1, own)
        shares = {
            place: world.members[place].open(stretch.order_open(1, place, [1, 2, 3, 4]), 1)
            for place in own
        }
        total = plain_sum(masked.values())
        opened = open_sum(stretch, 1, WEIGHTS, total, [1, 2, 3, 4], shares)
        kept.append((total.tobytes(), shares, opened.tobytes()))
        assert all(chi_square(part) < LIMIT for part in masked.values())

    assert kept[0] == kept[1]


def chi_square(words: np.ndarray) -> float:
    """Of the highest ten bits, against each as often; 1023 degrees of freedom."""
    counts = np.bincount(words >> 22, minlength=1024)
    return float(((counts - len(words) / 1024) ** 2 / (len(words) / 1024)).sum())


def test_masked_constants_are_uniform_and_independent_of_what_was_masked() -> None:
    masked = []
    for constant in (0, 2**31, 7):
        world = World.of(3)
        stretch = world.set_up(last=1)
        own = {place: np.full(1 << 18, constant, np.uint32) for place in (1, 2, 3)}
        masked += [*world.mask(stretch, 1, own).values()]

    assert all(chi_square(part) < LIMIT for part in masked)
    for i, one in enumerate(masked):  # also the differences: no two share a stream
        assert all(chi_square(one - other) < LIMIT for other in masked[:i])
