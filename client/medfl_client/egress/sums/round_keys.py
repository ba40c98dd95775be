"""A site's secrets in a stretch of rounds: a chain of keys, of which the used ones are forgotten.

The chain goes on by HKDF, so who takes the newest key has none of an earlier round. A round's key
gives all that is secret in it, so a site that starts again masks and opens with the same bits.
"""

import secrets
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from medfl_common.errors import SumError
from medfl_common.privacy.derived_keys import derive
from medfl_common.privacy.sum_keys import public_of


@dataclass(frozen=True)
class StretchSecret:
    """What must be kept of the newest stretch, by its owner alone."""

    number: int  # of the stretch
    channel: bytes  # X25519: opens what others seal for this site
    round: int  # which the chain has come to
    chain: bytes

    @classmethod
    def new(cls, number: int, first: int) -> Self:
        """Draw the secrets of a stretch that begins with round `first`."""
        return cls(number, secrets.token_bytes(32), first, secrets.token_bytes(32))

    def at(self, round_: int) -> Self:
        """Go on to a round, and forget those before it."""
        if round_ < self.round:
            raise SumError(
                f"the keys of round {round_} are forgotten: later rounds were asked since",
                data="nothing was sent",
            )
        chain = self.chain
        for _ in range(round_ - self.round):
            chain = derive(chain, "next round")
        return replace(self, round=round_, chain=chain)

    def keys(self, round_: int) -> "RoundKeys":
        """Give the keys of a round."""
        return RoundKeys(self.at(round_).chain)


@dataclass(frozen=True)
class RoundKeys:
    """All that is secret in a round."""

    chain: bytes

    @cached_property
    def seed(self) -> bytes:
        """Of the site's own mask; told in shares where its vector is summed."""
        return derive(self.chain, "seed")

    @cached_property
    def mask_key(self) -> bytes:
        """X25519: the masks of pairs; told in shares where its vector is missing."""
        return derive(self.chain, "mask key")

    @cached_property
    def mask_public(self) -> bytes:
        """The public half, which the others mask with."""
        return public_of(self.mask_key)

    def share_seed(self, of: str) -> bytes:
        """Give what the polynomial of a secret is drawn from."""
        return derive(self.chain, "shares", of)

    @cached_property
    def data_key(self) -> bytes:
        """Of the journal's note of what was masked."""
        return derive(self.chain, "data")
