"""A site in secure sums that is killed while it writes, and one whose files were changed."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.sums import RUN, WEIGHTS, World, plain_sum, vectors

from medfl_client.egress.sums.journal import FileJournal
from medfl_common.errors import RunError, SumError
from medfl_server.aggregation.secure_sum import SumStretch, open_sum

ALL = (1, 2, 3)


class KilledError(BaseException):
    """The process ends here: nothing catches it."""


class Killing:
    """Ends the process before or after one of its calls of fsync."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, is_before: bool) -> None:
        self.n, self._at, self._is_before, self._fsync = 0, at, is_before, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, handle: int) -> None:
        self.n += 1
        if self.n == self._at and self._is_before:
            raise KilledError
        self._fsync(handle)
        if self.n == self._at:
            raise KilledError


def world_on_disk(folder: Path) -> World:
    """Three hospitals, the first with its files in a folder."""
    world = World.of(3)
    world.journals[1] = FileJournal.of(folder, RUN)
    world.start(1)
    return world


def insist(world: World, place: int, trip: str, *asked: Any) -> bytes:
    """Ask a hospital; where the first was killed, start it from its files and ask again."""

    def ask() -> bytes:
        return bytes(getattr(world.members[place], trip)(*asked))

    try:
        found = ask()
    except KilledError:
        world.start(1)
        found = ask()
    world.start(1)
    assert ask() == found  # what has left does not change
    return found


def two_rounds(world: World, own: dict[int, np.ndarray]) -> list[np.ndarray]:
    """Set up, mask and open two rounds; the first hospital may be killed in each trip."""
    stretch = world.stretch(last=4)
    for place in ALL:
        stretch.take_hello(place, insist(world, place, "hello", stretch.order_keys()))
    stretch.close_hellos()
    for place in ALL:
        stretch.take_setups(place, insist(world, place, "setups", stretch.order_setups()))
    # The keys of round 1 are forgotten once round 4 is masked.
    return [one_round(world, stretch, round_, own) for round_ in (1, 4)]


def one_round(
    world: World, stretch: SumStretch, round_: int, own: dict[int, np.ndarray]
) -> np.ndarray:
    total, shares = np.zeros_like(own[1]), {}
    for place in ALL:
        order = stretch.order_round(round_, place)
        masked = insist(world, place, "mask", order, round_, own[place], WEIGHTS)
        total += np.frombuffer(masked, np.uint32)
    for place in ALL:
        order = stretch.order_open(round_, place, ALL)
        shares[place] = insist(world, place, "open", order, round_)
    return open_sum(stretch, round_, WEIGHTS, total, ALL, shares)


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_killed_at_any_fsync_a_site_answers_the_same_and_the_sums_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_before: bool
) -> None:
    own = vectors(ALL, size=8)
    counted = Killing(monkeypatch, 0, is_before)
    two_rounds(world_on_disk(tmp_path / "whole"), own)
    assert counted.n > 20

    for at in range(1, counted.n + 1):
        with monkeypatch.context() as patch:
            Killing(patch, at, is_before)
            sums = two_rounds(world_on_disk(tmp_path / f"{at}"), own)
        assert all(np.array_equal(one, plain_sum(own.values())) for one in sums)


def prepared(folder: Path) -> tuple[World, SumStretch]:
    world = world_on_disk(folder)
    stretch = world.set_up()
    world.mask(stretch, 1, vectors(ALL))
    return world, stretch


def test_secrets_are_for_their_owner_alone_and_hold_no_earlier_round(tmp_path: Path) -> None:
    world, _ = prepared(tmp_path)
    key, journal = tmp_path / RUN / "sums.key", tmp_path / RUN / "journal.jsonl"

    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700
    secret = world.journals[1].secret()
    assert secret is not None
    text = journal.read_text()
    assert secret.chain.hex() not in text
    assert secret.channel.hex() not in text
    assert [json.loads(line)["what"] for line in text.splitlines()] == ["keys", "cohort", "masked"]


@pytest.mark.parametrize("damage", ["cut", "edited", "gone", "key damaged"])
def test_with_changed_files_a_site_masks_and_opens_nothing(tmp_path: Path, damage: str) -> None:
    world, stretch = prepared(tmp_path)
    path = tmp_path / RUN / "journal.jsonl"
    if damage == "cut":
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    elif damage == "edited":
        path.write_text(path.read_text().replace('"round": 1', '"round": 2'))
    elif damage == "gone":
        path.unlink()
    else:
        (tmp_path / RUN / "sums.key").write_text("{}")

    for ask in (
        lambda: world.start(1).mask(stretch.order_round(1, 1), 1, vectors([1])[1], "00" * 32),
        lambda: world.start(1).open(stretch.order_open(1, 1, ALL), 1),
    ):
        with pytest.raises(RunError, match="Nothing is masked or opened"):
            ask()


def test_without_its_secrets_a_site_takes_part_in_the_next_stretch_only(tmp_path: Path) -> None:
    world, stretch = prepared(tmp_path)
    (tmp_path / RUN / "sums.key").unlink()

    with pytest.raises(SumError, match="the keys of stretch 1 of rounds are not here"):
        world.start(1).open(stretch.order_open(1, 1, ALL), 1)
    with pytest.raises(SumError, match="the keys of stretch 1 of rounds are not here"):
        world.start(1).hello(stretch.order_keys())
    own, later = vectors(ALL), world.set_up(number=2, first=1, last=2)
    masked = world.mask(later, 1, own)
    assert np.array_equal(world.open(later, 1, masked), plain_sum(own.values()))
