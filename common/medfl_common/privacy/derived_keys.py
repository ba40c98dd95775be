"""Keys from a secret and what they are for: HKDF-SHA256, RFC 5869."""

import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def derive(secret: bytes, *purpose: str | int, size: int = KEY_BYTES) -> bytes:
    """Give the bytes of a purpose; another purpose gives bytes that have nothing to do with them.

    Args:
        secret: 32 bytes that nobody can guess.
        purpose: Words and numbers; ("a", 1) is another than ("a1",).
        size: Bytes to give.
    """
    told = json.dumps(["medfl secure sum 1", *purpose]).encode()
    return HKDF(hashes.SHA256(), size, None, told).derive(secret)
