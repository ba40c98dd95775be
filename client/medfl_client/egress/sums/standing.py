"""Where a site is in a run's secure sums: what it has begun, as its journal says."""

from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from medfl_client.egress.sums.journal import Entry, Journal
from medfl_client.egress.sums.orders import newest, refused
from medfl_client.egress.sums.round_keys import RoundKeys, StretchSecret
from medfl_common.plan.privacy import SecureSum
from medfl_common.privacy.shamir import split
from medfl_common.privacy.sum_keys import NONCE, Stretch, cohort_context, seal_of
from medfl_common.privacy.thresholds import threshold
from medfl_common.wire.secure_sum import Group, SumOrder


@dataclass(frozen=True)
class Identity:
    """Who takes part, in what."""

    name: str  # as in the group
    signing: Ed25519PrivateKey  # the key that the hospital was enrolled with
    run: str  # 32 hex digits
    plan: str  # hash
    sums: SecureSum  # the plan's settings

    def place(self, group: Group) -> int:
        """Give the own place in a group; raises SumError where it has another key, or none."""
        place = group.place(self.name)
        if group.public[place].public_bytes_raw() != self.signing.public_key().public_bytes_raw():
            raise refused("the group has another key of this hospital than its own")
        return place

    def threshold(self, group: Group) -> int:
        """Count the hospitals that are needed to open a sum."""
        try:
            return threshold(len(group.names), self.sums.may_lose)
        except ValueError as error:
            raise refused(f"privacy.secure_sum.may_lose: {error}") from None


@dataclass(frozen=True)
class Begun:
    """The newest stretch of rounds, with this site's secret."""

    stretch: Stretch
    group: Group
    place: int  # this site's
    threshold: int
    secret: StretchSecret

    def keys(self, round_: int) -> RoundKeys:
        """Give the keys of a round of the stretch."""
        if round_ not in self.stretch.rounds:
            raise refused(f"round {round_} is not in the stretch of rounds")
        return self.secret.keys(round_)


@dataclass(frozen=True)
class Standing:
    """The newest stretch, its cohort known."""

    begun: Begun
    channels: dict[int, bytes]  # the public channel key of each place of the cohort

    @cached_property
    def context(self) -> str:
        """Give the hash of the stretch and its cohort."""
        return cohort_context(self.begun.stretch, self.channels)

    @cached_property
    def others(self) -> list[int]:
        """List the places of the cohort but this site's own."""
        return [place for place in self.channels if place != self.begun.place]

    def own_shares(self, keys: RoundKeys) -> dict[int, bytes]:
        """Give for each place its share of the seed, and after it that of the mask key."""
        of_seed, of_key = (
            split(secret, self.channels, self.begun.threshold, keys.share_seed(name))
            for name, secret in (("seed", keys.seed), ("mask key", keys.mask_key))
        )
        return {place: of_seed[place] + of_key[place] for place in self.channels}

    def seal(self, round_: int, place: int, shares: bytes) -> bytes:
        """Seal shares for another member."""
        seal = seal_of(
            self._channel, self.channels[place], self.context, round_, self.begun.place, place
        )
        return seal.encrypt(NONCE, shares, None)

    def unseal(self, round_: int, place: int, sealed: bytes) -> bytes:
        """Open what another member has sealed for this one, for this round."""
        seal = seal_of(
            self._channel, self.channels[place], self.context, round_, place, self.begun.place
        )
        try:
            return seal.decrypt(NONCE, sealed, None)
        except InvalidTag:
            name = self.begun.group.names[place - 1]
            raise refused(f"the share of {name} is not for this site and round") from None

    @cached_property
    def _channel(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.begun.secret.channel)


def begun_stretch(order: SumOrder, own: Identity, journal: Journal) -> Begun:
    """Give the newest stretch, which the order must be of."""
    entry = newest(journal.entries(), "keys")
    if entry is None or entry["number"] != order.number:
        raise refused(f"stretch {order.number} of rounds is not the one begun last")
    group = _group_in(entry)
    asked = [own.plan, order.first, order.last, order.group]
    if asked != [entry["plan"], entry["first"], entry["last"], group.hash]:
        raise refused("the stretch was begun with other hospitals or rounds")
    secret = journal.secret()
    if secret is None or secret.number != order.number:
        raise refused(f"the keys of stretch {order.number} of rounds are not here")
    stretch = order.stretch(own.run, own.plan)
    return Begun(stretch, group, own.place(group), own.threshold(group), secret)


def standing(order: SumOrder, own: Identity, journal: Journal) -> Standing:
    """Give the newest stretch with its cohort."""
    begun = begun_stretch(order, own, journal)
    entry = newest(journal.entries(), "cohort", number=order.number)
    told = entry["channels"] if entry else None
    if not isinstance(told, dict):
        raise refused("the stretch has no cohort yet")
    return Standing(begun, {int(place): bytes.fromhex(str(told[place])) for place in told})


def _group_in(entry: Entry) -> Group:
    names, keys = entry["names"], entry["keys"]
    if not isinstance(names, list) or not isinstance(keys, list):
        raise refused("the journal names no group")
    return Group(tuple(map(str, names)), tuple(map(str, keys)))
