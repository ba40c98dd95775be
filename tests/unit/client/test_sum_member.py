"""A coordinator that tries to see less than a sum: the hospital's machine refuses all of it."""

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.sums import WEIGHTS, World, plain_sum, vectors

from medfl_common.errors import RunError, SumError
from medfl_common.privacy.shamir import SHARE_BYTES, join
from medfl_common.privacy.sum_keys import (
    hello_statement,
    public_of,
    setup_statement,
)
from medfl_common.wire.secure_sum import DELIVERED, ENTRY, KEY, Group, SumOrder
from medfl_common.wire.study_key import key_line
from medfl_server.aggregation.secure_sum import SumStretch

EVIL = Ed25519PrivateKey.generate()
CHANNEL = public_of(b"\7" * 32)  # the coordinator's own


@pytest.fixture
def world() -> World:
    return World.of(5)  # 4 are needed


def asked(world: World) -> tuple[SumStretch, dict[int, np.ndarray]]:
    """Begin a stretch, and have round 1 masked by all."""
    stretch = world.set_up()
    return stretch, world.mask(stretch, 1, vectors(range(1, 6)))


def changed_hello(world: World, stretch: SumStretch, place: int, hello: bytes) -> SumOrder:
    hellos = {**stretch.hellos, place: hello}
    return replace(stretch.order_setups(), hellos=b"".join(hellos[p] for p in stretch.cohort))


def test_a_channel_key_of_the_coordinators_is_refused(world: World) -> None:
    stretch = world.set_up()
    said = hello_statement(stretch.stretch, 2, CHANNEL)

    for signature in (EVIL.sign(said), stretch.hellos[2][KEY:], world.signing[3].sign(said)):
        with pytest.raises(SumError, match="h02 did not sign its key"):
            world.members[1].setups(changed_hello(world, stretch, 2, CHANNEL + signature))


def test_a_hospital_outside_the_group_and_one_with_another_key_are_refused(world: World) -> None:
    stretch = world.set_up()
    more = (*stretch.cohort, 6)
    ghost = CHANNEL + EVIL.sign(hello_statement(stretch.stretch, 6, CHANNEL))
    order = stretch.order_setups()

    with pytest.raises(SumError, match="not one of the group"):
        world.members[1].setups(replace(order, cohort=more, hellos=order.hellos + ghost))
    lines = dict(zip(world.group.names, world.group.keys, strict=True))
    other = Group.of({**lines, "h01": key_line(EVIL.public_key())})
    keys = replace(world.stretch(2).order_keys(), names=other.names, keys=other.keys)
    with pytest.raises(SumError, match="another key of this hospital"):
        world.members[1].hello(keys)
    without = Group.of({name: line for name, line in lines.items() if name != "h01"})
    with pytest.raises(SumError, match="h01 is not in the group"):
        world.members[1].hello(replace(keys, names=without.names, keys=without.keys))
    twice = Group.of({**lines, "h02": lines["h03"]})
    with pytest.raises(SumError, match="twice"):
        world.members[1].hello(replace(keys, names=twice.names, keys=twice.keys))


def delivered(order: SumOrder, number: int, piece: bytes) -> SumOrder:
    """Put other bytes in the place of what one other hospital made."""
    start = DELIVERED * number
    setups = order.setups[:start] + piece + order.setups[start + DELIVERED :]
    return replace(order, setups=setups)


def test_a_mask_key_of_the_coordinators_is_refused(world: World) -> None:
    stretch = world.set_up()
    order, own = stretch.order_round(1, 1), vectors([1])[1]
    piece = order.setups[:DELIVERED]
    said = setup_statement("00" * 32, 1, 2, CHANNEL, piece[KEY : 2 * KEY])
    for signature in (piece[2 * KEY : ENTRY], EVIL.sign(said), world.signing[2].sign(said)):
        evil = CHANNEL + piece[KEY : 2 * KEY] + signature + piece[ENTRY:]
        with pytest.raises(SumError, match="did not sign its keys of this round"):
            world.members[1].mask(delivered(order, 0, evil), 1, own, WEIGHTS)


def test_a_key_of_low_order_is_refused_at_both_ends_with_its_hospitals_name(world: World) -> None:
    stretch, none = world.set_up(), bytes(KEY)  # every secret with it is 0
    signed = none + world.signing[2].sign(hello_statement(stretch.stretch, 2, none))
    with pytest.raises(RunError, match="is none"):
        stretch.take_hello(2, signed)
    with pytest.raises(SumError, match="the key of h02 in this stretch is none"):
        world.members[1].setups(changed_hello(world, stretch, 2, signed))

    order, context = stretch.order_round(1, 1), stretch._context
    piece = order.setups[:DELIVERED]
    commitment = piece[KEY : 2 * KEY]
    said = setup_statement(context, 1, 2, none, commitment)
    entry = none + commitment + world.signing[2].sign(said)
    with pytest.raises(SumError, match="the key of h02 in this round is none"):
        world.members[1].mask(
            delivered(order, 0, entry + piece[ENTRY:]), 1, vectors([1])[1], WEIGHTS
        )
    with pytest.raises(RunError, match="or they are none"):
        stretch.take_setups(2, entry + stretch.setups[2][ENTRY:])


def test_a_group_with_more_keys_than_names_is_refused_in_words(world: World) -> None:
    with pytest.raises(SumError, match="1 hospitals and 2 keys"):
        _ = Group(("h01",), (world.group.keys[0], "none")).public


def test_setups_of_another_round_or_stretch_and_swapped_ones_are_refused(world: World) -> None:
    first = world.set_up()
    earlier = first.order_round(1, 1)
    stretch = world.set_up(number=2)
    order, own = stretch.order_round(1, 1), vectors([1])[1]
    pieces = [order.setups[DELIVERED * i : DELIVERED * (i + 1)] for i in range(4)]

    for setups in (
        stretch.order_round(2, 1).setups,
        earlier.setups,
        b"".join([pieces[1], pieces[0], *pieces[2:]]),
    ):
        with pytest.raises(SumError, match="did not sign its keys of this round"):
            world.members[1].mask(replace(order, setups=setups), 1, own, WEIGHTS)
    for setups in (order.setups[DELIVERED:], order.setups + pieces[0]):
        with pytest.raises(SumError, match="more or fewer hospitals"):
            world.members[1].mask(replace(order, setups=setups), 1, own, WEIGHTS)


def test_a_small_cohort_is_refused_and_a_second_one_of_the_same_stretch(world: World) -> None:
    stretch = world.stretch()
    for place, member in world.members.items():
        stretch.take_hello(place, member.hello(stretch.order_keys()))

    def order(*cohort: int) -> SumOrder:
        stretch.cohort = cohort
        return stretch.order_setups()

    with pytest.raises(SumError, match="3 hospitals take part, 4 are the fewest"):
        world.members[1].setups(order(1, 2, 3))
    with pytest.raises(SumError, match="own key is not among"):
        world.members[1].setups(order(2, 3, 4, 5))
    with pytest.raises(SumError, match="not in order"):
        world.members[1].setups(order(1, 3, 2, 4))
    world.members[1].setups(order(1, 2, 3, 4))
    with pytest.raises(SumError, match="set up with other hospitals"):
        world.members[1].setups(order(1, 2, 3, 4, 5))


def test_hospitals_that_are_told_different_cohorts_do_not_mask(world: World) -> None:
    """With a cohort of its own for each hospital, sums of fewer than the floor could be read."""
    stretch = world.stretch()
    for place, member in world.members.items():
        stretch.take_hello(place, member.hello(stretch.order_keys()))
    setups = {}
    for place, cohort in zip((2, 1, 3, 4), [(1, 2, 3, 4, 5), *[(1, 2, 3, 4)] * 3], strict=True):
        stretch.cohort = cohort
        setups[place] = world.members[place].setups(stretch.order_setups())
    stretch.setups = setups
    with pytest.raises(SumError, match="did not sign its keys of this round"):
        world.members[1].mask(stretch.order_round(1, 1), 1, vectors([1])[1], WEIGHTS)


def test_the_same_question_has_the_same_bits_and_other_weights_or_data_are_refused(
    world: World,
) -> None:
    stretch, masked = asked(world)
    own, order = vectors(range(1, 6))[1], stretch.order_round(1, 1)
    again = world.start(1)

    assert np.array_equal(again.mask(order, 1, own, WEIGHTS), masked[1])
    for vector, weights in ((own, "00" * 32), (own + np.uint32(1), WEIGHTS)):
        with pytest.raises(SumError, match="masked for another question, or with other data"):
            again.mask(order, 1, vector, weights)
    with pytest.raises(SumError, match="round 3 is not in the stretch"):
        again.mask(order, 3, own, WEIGHTS)


def attempts(stretch: SumStretch) -> list[tuple[str, SumOrder]]:
    """List what a site at place 1 should not help to open."""

    def order(*summed: int) -> SumOrder:
        return replace(stretch.order_open(1, 1, []), summed=summed)

    return [
        ("a sum of 1 hospitals, 4 are the fewest", order(1)),
        ("a sum of 3 hospitals", order(1, 2, 3)),
        ("this site is not in the sum", order(2, 3, 4, 5)),
        ("not one of the group", order(1, 2, 3, 6)),
        ("not in order", order(1, 2, 2, 3, 4)),
        ("not in order", order(2, 1, 3, 4)),
        ("more or fewer hospitals", replace(order(1, 2, 3, 4), sealed=b"")),
        ("not for this site and round", replace(
            order(1, 2, 3, 4), sealed=stretch.order_open(2, 1, []).sealed)),
        ("not for this site and round", replace(
            order(1, 2, 3, 4), sealed=stretch.order_open(1, 2, []).sealed)),
    ]  # fmt: skip


def test_no_small_sum_and_no_foreign_share_is_opened(world: World) -> None:
    stretch, _ = asked(world)

    for what, order in attempts(stretch):
        with pytest.raises(SumError, match=what):
            world.members[1].open(order, 1)
    with pytest.raises(SumError, match="masked nothing in round 2"):
        world.members[1].open(stretch.order_open(2, 1, [1, 2, 3, 4]), 2)


def test_a_round_is_opened_for_one_list_and_in_one_stretch_for_ever(world: World) -> None:
    stretch, masked = asked(world)
    part = {place: masked[place] for place in (1, 2, 3, 4)}
    sum_of_four = world.open(stretch, 1, part)

    assert np.array_equal(sum_of_four, plain_sum([*vectors(range(1, 6)).values()][:4]))
    again = world.start(1)
    same = stretch.order_open(1, 1, [1, 2, 3, 4])
    assert again.open(same, 1) == again.open(same, 1)
    with pytest.raises(SumError, match="opened for other hospitals"):
        again.open(stretch.order_open(1, 1, [1, 2, 3, 4, 5]), 1)
    later = world.set_up(number=2)
    with pytest.raises(SumError, match="opened before, under keys of an earlier stretch"):
        again.mask(later.order_round(1, 1), 1, vectors([1])[1], WEIGHTS)
    world.members[5].mask(later.order_round(1, 5), 1, vectors([5])[5], WEIGHTS)  # opened nothing
    for order in (same, stretch.order_open(1, 5, [1, 2, 3, 5])):
        with pytest.raises(SumError, match="not the one begun last"):
            world.members[5].open(order, 1)
    with pytest.raises(SumError, match="stretch 1 of rounds is closed: 2 was begun"):
        again.hello(stretch.order_keys())


def test_a_late_vector_of_a_site_that_was_given_up_stays_masked(world: World) -> None:
    stretch, masked = asked(world)
    world.open(stretch, 1, {place: masked[place] for place in (1, 2, 3, 4)})
    keys = {}
    for place in (1, 2, 3, 4):  # the mask key of 5 can be rebuilt from what they gave
        told = world.members[place].open(stretch.order_open(1, place, [1, 2, 3, 4]), 1)
        keys[place] = told[4 * SHARE_BYTES :]

    assert public_of(join(keys)) == stretch.mask_keys(1)[5]
    with pytest.raises(SumError, match="this site is not in the sum"):
        world.members[5].open(stretch.order_open(1, 5, [1, 2, 3, 4]), 1)
    with pytest.raises(SumError, match="opened for other hospitals"):
        world.members[1].open(stretch.order_open(1, 1, [1, 2, 3, 4, 5]), 1)


def test_keys_of_used_rounds_are_forgotten(world: World) -> None:
    stretch = world.set_up(first=1, last=5)
    secret = world.journals[1].secret()
    assert secret is not None
    for round_ in range(1, 5):
        world.mask(stretch, round_, vectors([1]))

    kept = world.journals[1].secret()
    assert kept == secret.at(2)  # rounds 2, 3 and 4 can be asked again
    with pytest.raises(SumError, match="the keys of round 1 are forgotten"):
        world.mask(stretch, 1, vectors([1]))
    with pytest.raises(SumError, match="forgotten"):
        kept.keys(1)
    world.members[1].hello(world.stretch(2, 6, 9).order_keys())
    newest = world.journals[1].secret()
    assert newest is not None
    assert newest.channel != secret.channel
