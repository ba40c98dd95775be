"""What a coordinator asks in a secure sum, taken apart and checked against what was signed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medfl_client.egress.sums.journal import Entry
from medfl_common.errors import SumError
from medfl_common.files import Json
from medfl_common.privacy.sum_keys import (
    Stretch,
    hello_statement,
    is_signed,
    is_usable,
    setup_statement,
)
from medfl_common.wire.secure_sum import DELIVERED, ENTRY, HELLO, KEY, SEALED, Group, SumOrder


@dataclass(frozen=True)
class Setup:
    """What another member made for a round, and sealed for this site."""

    mask_key: bytes
    commitment: bytes
    signature: bytes
    sealed: bytes

    def check(self, group: Group, cohort: str, round_: int, place: int) -> None:
        """Raise SumError unless its member signed it for this cohort and round."""
        key, name = group.public[place], group.names[place - 1]
        said = setup_statement(cohort, round_, place, self.mask_key, self.commitment)
        if not is_signed(key, self.signature, said):
            raise refused(f"{name} did not sign its keys of this round for these hospitals")
        if not is_usable(self.mask_key):
            raise refused(f"the key of {name} in this round is none")


def refused(what: str) -> SumError:
    """Make the error of an order that this site does not follow."""
    return SumError(what, data="nothing was sent")


def newest(entries: Sequence[Entry], what: str, **told: Json) -> Entry | None:
    """Give the last line of the journal that says something; None: there is none."""
    wanted = {"what": what, **told}
    for entry in reversed(entries):
        if all(entry.get(name) == value for name, value in wanted.items()):
            return entry
    return None


def require_same(before: Entry, entry: Entry, otherwise: str) -> None:
    """Raise SumError where a line says something else than the one written before."""
    if {name: before.get(name) for name in entry} != entry:
        raise refused(otherwise)


def cohort_of(order: SumOrder, stretch: Stretch, group: Group) -> dict[int, bytes]:
    """Give the channel key of each place that takes part, which its hospital has signed."""
    _check_places(order.cohort, range(1, len(group.names) + 1))
    pieces = _pieces(order.hellos, HELLO, order.cohort)
    for place, piece in pieces.items():
        said = hello_statement(stretch, place, piece[:KEY])
        if not is_signed(group.public[place], piece[KEY:], said):
            raise refused(f"{group.names[place - 1]} did not sign its key of this stretch")
        if not is_usable(piece[:KEY]):
            raise refused(f"the key of {group.names[place - 1]} in this stretch is none")
    return {place: piece[:KEY] for place, piece in pieces.items()}


def setups_by_place(order: SumOrder, others: Sequence[int]) -> dict[int, Setup]:
    """Take what the others made for a round apart; who signed it is not checked yet."""
    pieces = _pieces(order.setups, DELIVERED, others)
    return {
        place: Setup(piece[:KEY], piece[KEY : 2 * KEY], piece[2 * KEY : ENTRY], piece[ENTRY:])
        for place, piece in pieces.items()
    }


def sealed_by_place(order: SumOrder, others: Sequence[int]) -> dict[int, bytes]:
    """Take the sealed shares of the others apart."""
    return _pieces(order.sealed, SEALED, others)


def summed_of(order: SumOrder, cohort: Iterable[int], place: int, fewest: int) -> tuple[int, ...]:
    """Give the places whose sum may be opened, or raise SumError.

    Args:
        order: What is asked.
        cohort: Who takes part in the stretch.
        place: This site's, which must be in the sum.
        fewest: Hospitals of a sum.
    """
    _check_places(order.summed, [*cohort])
    if place not in order.summed:
        raise refused("this site is not in the sum that it should help to open")
    if len(order.summed) < fewest:
        raise refused(f"a sum of {len(order.summed)} hospitals, {fewest} are the fewest")
    return order.summed


def _check_places(places: Sequence[int], known: Sequence[int]) -> None:
    """Raise SumError unless places are known ones, each once, in order."""
    if not set(places) <= set(known) or [*places] != sorted(set(places)):
        raise refused("the list of hospitals is not one of the group, or not in order")


def _pieces(data: bytes, size: int, places: Sequence[int]) -> dict[int, bytes]:
    """Cut bytes into as many pieces of a size as there are places."""
    if len(data) != size * len(places):
        raise refused("the task holds keys or shares of more or fewer hospitals than take part")
    return {place: data[size * i : size * (i + 1)] for i, place in enumerate(places)}
