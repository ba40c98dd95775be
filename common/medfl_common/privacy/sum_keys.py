"""What hospitals and coordinator derive alike in a secure sum: contexts, statements, stream keys.

Bonawitz et al.: Practical Secure Aggregation for Privacy-Preserving Machine Learning. CCS 2017.
https://eprint.iacr.org/2017/281

A site's vector leaves under two kinds of masks: one of its own (seed b), and one for each pair of
sites, added by the lower place and taken away by the higher. The key of every stream holds the
whole context: run, plan, group, stretch of rounds, cohort, round, mask keys of all, and the weights
that were asked about. So no stream serves two questions.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medfl_common.privacy.derived_keys import derive

NONCE = bytes(12)  # each key seals one text


@dataclass(frozen=True)
class Stretch:
    """Rounds for which the sites make keys together; a later number closes every earlier one."""

    run: str  # 32 hex digits
    plan: str  # hash
    group: str  # hash of the approved group
    number: int  # 1, 2, ... within the run
    first: int  # round
    last: int  # round

    @property
    def words(self) -> list[str | int]:
        """Give it for a hash or a signature."""
        return [self.run, self.plan, self.group, self.number, self.first, self.last]

    @property
    def rounds(self) -> range:
        """List its rounds."""
        return range(self.first, self.last + 1)


def cohort_context(stretch: Stretch, channels: Mapping[int, bytes]) -> str:
    """SHA-256, as hex, of a stretch and of who takes part in it, with what channel keys."""
    cohort = [[place, channels[place].hex()] for place in sorted(channels)]
    return _sha256(["cohort", *stretch.words, cohort])


def round_context(cohort: str, round_: int, mask_keys: Mapping[int, bytes], weights: str) -> str:
    """SHA-256, as hex, of all that a round's masks belong to.

    Args:
        cohort: `cohort_context`.
        round_: The round.
        mask_keys: The public mask key of each member of the cohort, by place.
        weights: `weights_digest` of what is asked about.
    """
    keys = [[place, mask_keys[place].hex()] for place in sorted(mask_keys)]
    return _sha256(["round", cohort, round_, keys, weights])


def hello_statement(stretch: Stretch, place: int, channel: bytes) -> bytes:
    """Give what a site signs of its channel key."""
    return _said(["hello", *stretch.words, place, channel.hex()])


def setup_statement(
    cohort: str, round_: int, place: int, mask_key: bytes, commitment: bytes
) -> bytes:
    """Give what a site signs of its keys of a round; `commitment`: SHA-256 of its seed b."""
    return _said(["setup", cohort, round_, place, mask_key.hex(), commitment.hex()])


def is_signed(key: Ed25519PublicKey, signature: bytes, statement: bytes) -> bool:
    """Say whether a site's enrolled key signed a statement."""
    try:
        key.verify(signature, statement)
    except InvalidSignature:
        return False
    return True


def own_stream(seed: bytes, context: str) -> bytes:
    """Give the key of a site's own stream in a round."""
    return derive(seed, "own stream", context)


def pair_stream(
    private: X25519PrivateKey, other: bytes, context: str, places: Sequence[int]
) -> bytes:
    """Give the key of the stream of two sites in a round; each has it from the other's mask key."""
    low, high = sorted(places)
    return derive(_shared(private, other), "pair stream", context, low, high)


def seal_of(
    private: X25519PrivateKey, other: bytes, cohort: str, round_: int, giver: int, taker: int
) -> ChaCha20Poly1305:
    """Give what seals the shares of one site for another, in one round."""
    return ChaCha20Poly1305(derive(_shared(private, other), "seal", cohort, round_, giver, taker))


def public_of(private: bytes) -> bytes:
    """Give the 32 bytes of the public half of an X25519 key."""
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def is_usable(public: bytes) -> bool:
    """Say whether 32 bytes are a public key: those of low order make one secret with every key."""
    try:
        _shared(X25519PrivateKey.generate(), public)
    except ValueError:
        return False
    return True


def _shared(private: X25519PrivateKey, other: bytes) -> bytes:
    """Give the secret of two X25519 keys; raises ValueError for a public key of low order."""
    return private.exchange(X25519PublicKey.from_public_bytes(other))


def _sha256(facts: list[object]) -> str:
    return hashlib.sha256(_said(facts)).hexdigest()


def _said(facts: Sequence[object]) -> bytes:
    return json.dumps(["medfl secure sum 1", *facts]).encode()
