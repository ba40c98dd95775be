"""The keys that virtual hospitals sign with in secure sums: from the run, so any process has them.

They keep nothing secret, and need not: masks cancel, so no bit of a model depends on a key.
"""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medfl_common.wire.study_key import key_line


def signing_key_of(run: str, name: str) -> Ed25519PrivateKey:
    """Give a virtual hospital's key in a run."""
    seed = hashlib.sha256(f"virtual hospital|{run}|{name}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def line_of(run: str, name: str) -> str:
    """Give the OpenSSH line of its public half."""
    return key_line(signing_key_of(run, name).public_key())
