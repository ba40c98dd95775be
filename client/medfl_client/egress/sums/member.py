"""A hospital in a secure sum: makes keys, masks its vector, opens a sum; refuses what shows less.

It gives one kind of share of each hospital, for one list of hospitals in a round, for ever. The
protocol is that of Bonawitz et al. 2017 with the opening in one trip, whatever vanished;
medfl_common.privacy.thresholds says what that costs.
"""

import hashlib
import hmac
from collections.abc import Mapping

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from medfl_client.egress.sums.journal import Entry, Journal
from medfl_client.egress.sums.orders import (
    cohort_of,
    newest,
    refused,
    require_same,
    sealed_by_place,
    setups_by_place,
    summed_of,
)
from medfl_client.egress.sums.round_keys import RoundKeys, StretchSecret
from medfl_client.egress.sums.standing import Identity, Standing, begun_stretch, standing
from medfl_common.privacy.mask_stream import add_stream
from medfl_common.privacy.shamir import SHARE_BYTES
from medfl_common.privacy.sum_keys import (
    hello_statement,
    own_stream,
    pair_stream,
    public_of,
    round_context,
    setup_statement,
)
from medfl_common.wire.secure_sum import Group, SumOrder

BACK = 2  # rounds whose keys are kept: a coordinator has two checkpoints


class Member:
    """One hospital in the secure sums of one run.

    Args:
        own: Who it is.
        journal: Where it writes what it does, before that leaves.
    """

    def __init__(self, own: Identity, journal: Journal) -> None:
        self._own = own
        self._journal = journal

    def hello(self, order: SumOrder) -> bytes:
        """Make the keys of a stretch, the stretch before forgotten; give the signed channel key."""
        group = Group(order.names, order.keys)
        place = self._own.place(group)
        self._own.threshold(group)
        self._begin(order)
        secret = begun_stretch(order, self._own, self._journal).secret
        channel, stretch = public_of(secret.channel), order.stretch(self._own.run, self._own.plan)
        return channel + self._own.signing.sign(hello_statement(stretch, place, channel))

    def setups(self, order: SumOrder) -> bytes:
        """Seal the shares of each round's secrets for the others of the cohort."""
        begun = begun_stretch(order, self._own, self._journal)
        channels = cohort_of(order, begun.stretch, begun.group)
        if channels.get(begun.place) != public_of(begun.secret.channel):
            raise refused("this site's own key is not among the keys of the stretch")
        if len(channels) < begun.threshold:
            raise refused(f"{len(channels)} hospitals take part, {begun.threshold} are the fewest")
        told = {str(place): key.hex() for place, key in channels.items()}
        noted: Entry = {"what": "cohort", "number": order.number, "channels": {**told}}
        self._note(noted, "the stretch was set up with other hospitals or keys", "number")
        at = Standing(begun, channels)
        return b"".join(self._setup(at, round_) for round_ in begun.stretch.rounds)

    def mask(
        self, order: SumOrder, round_: int, vector: NDArray[np.uint32], weights: str
    ) -> NDArray[np.uint32]:
        """Mask a round's vector; the same question gives the same bits, and another is refused.

        Args:
            order: Of the task, with the others' setups of the round.
            round_: The round.
            vector: (P,) whole numbers modulo 2^32; it stays as it is.
            weights: `weights_digest` of the task.
        """
        at = standing(order, self._own, self._journal)
        opened = newest(self._journal.entries(), "opened", round=round_)
        if opened is not None and opened["number"] != order.number:
            raise refused(f"round {round_} was opened before, under keys of an earlier stretch")
        keys = at.begun.keys(round_)
        mask_keys = {at.begun.place: keys.mask_public}
        for place, setup in setups_by_place(order, at.others).items():
            setup.check(at.begun.group, at.context, round_, place)
            at.unseal(round_, place, setup.sealed)  # a bad one is found before it is needed
            mask_keys[place] = setup.mask_key
        context = round_context(at.context, round_, mask_keys, weights)
        data = hmac.digest(keys.data_key, vector.view(np.uint8).data, "sha256").hex()
        noted: Entry = {
            "what": "masked", "number": order.number, "round": round_,
            "context": context, "data": data,
        }  # fmt: skip
        otherwise = f"round {round_} was masked for another question, or with other data"
        self._note(noted, otherwise, "number", "round")
        self._forget(at.begun.secret, round_ - BACK)
        return _masked(vector, keys, at.begun.place, mask_keys, context)

    def open(self, order: SumOrder, round_: int) -> bytes:
        """Give one share of each hospital of the cohort, so that the sum of a list can be read."""
        at = standing(order, self._own, self._journal)
        masked = newest(self._journal.entries(), "masked", number=order.number, round=round_)
        if masked is None:
            raise refused(f"this site has masked nothing in round {round_} of this stretch")
        summed = summed_of(order, at.channels, at.begun.place, at.begun.threshold)
        shares = self._shares(at, round_, sealed_by_place(order, at.others))
        noted: Entry = {
            "what": "opened", "round": round_, "number": order.number, "summed": [*summed],
        }  # fmt: skip
        self._note(noted, f"round {round_} was opened for other hospitals", "round")
        return b"".join(
            shares[place][:SHARE_BYTES] if place in summed else shares[place][SHARE_BYTES:]
            for place in at.channels
        )

    def group_of(self, order: SumOrder) -> Group:
        """Give the group of the newest stretch, which the order must be of."""
        return begun_stretch(order, self._own, self._journal).group

    def _begin(self, order: SumOrder) -> None:
        """Draw the secrets of a new stretch, and note it; they are on the disk first."""
        before, secret = newest(self._journal.entries(), "keys"), self._journal.secret()
        last = int(str(before["number"])) if before else 0
        newest_number = max(last, secret.number if secret else 0)
        if order.number < newest_number:
            raise refused(f"stretch {order.number} of rounds is closed: {newest_number} was begun")
        if order.number > newest_number:
            self._journal.keep_secret(StretchSecret.new(order.number, order.first))
        noted: Entry = {
            "what": "keys", "plan": self._own.plan, "number": order.number,
            "first": order.first, "last": order.last,
            "names": [*order.names], "keys": [*order.keys],
        }  # fmt: skip
        self._note(noted, "the stretch was begun with other hospitals or rounds", "number")

    def _note(self, noted: Entry, otherwise: str, *by: str) -> None:
        """Write a line unless it is there; raise SumError where it is there and says otherwise."""
        told = {name: noted[name] for name in by}
        before = newest(self._journal.entries(), str(noted["what"]), **told)
        if before is None:
            self._journal.add(noted)
        else:
            require_same(before, noted, otherwise)

    def _setup(self, at: Standing, round_: int) -> bytes:
        """Give a round's entry, and after it the shares for each other member, sealed."""
        keys = at.begun.keys(round_)
        commitment = hashlib.sha256(keys.seed).digest()
        said = setup_statement(at.context, round_, at.begun.place, keys.mask_public, commitment)
        shares = at.own_shares(keys)
        sealed = [at.seal(round_, place, shares[place]) for place in at.others]
        return b"".join([keys.mask_public, commitment, self._own.signing.sign(said), *sealed])

    def _shares(self, at: Standing, round_: int, sealed: Mapping[int, bytes]) -> dict[int, bytes]:
        """Give both shares that this site has of each member's secrets."""
        own = at.own_shares(at.begun.keys(round_))[at.begun.place]
        others = {place: at.unseal(round_, place, sealed[place]) for place in at.others}
        return {**others, at.begun.place: own}

    def _forget(self, secret: StretchSecret, before: int) -> None:
        """Forget the keys of the rounds before one."""
        if before > secret.round:
            self._journal.keep_secret(secret.at(before))


def _masked(
    vector: NDArray[np.uint32],
    keys: RoundKeys,
    place: int,
    mask_keys: Mapping[int, bytes],
    context: str,
) -> NDArray[np.uint32]:
    """Add the site's own stream, and one for each other: plus for those behind it, minus before."""
    masked = vector.copy()
    add_stream(masked, own_stream(keys.seed, context), 1)
    private = X25519PrivateKey.from_private_bytes(keys.mask_key)
    for other, key in mask_keys.items():
        if other != place:
            pair = pair_stream(private, key, context, (place, other))
            add_stream(masked, pair, 1 if place < other else -1)
    return masked
