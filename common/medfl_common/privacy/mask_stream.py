"""Masks: a key's stream of numbers added to a vector, and taken away again, modulo 2^32.

The stream is AES-256 in counter mode from 0 (NIST SP 800-38A), read as little-endian numbers. A key
serves one vector, so the counter begins at 0 each time.
"""

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

PIECE = 1 << 18  # bytes made at a time: they stay in the processor's cache
SPARE = 15  # bytes that the cipher wants behind its output
BLOCK = 16
WORD = np.dtype("<u4")

Vector = NDArray[np.uint32]


def add_stream(vector: Vector, key: bytes, sign: int) -> None:
    """Add a key's stream to (P,) numbers in place, or take it away, modulo 2^32.

    Args:
        vector: (P,) numbers that lie one after the other.
        key: 32 bytes that serve no other vector.
        sign: 1 adds, -1 takes away.
    """
    cipher = Cipher(algorithms.AES(key), modes.CTR(bytes(BLOCK))).encryptor()
    zeros, stream = bytes(PIECE), bytearray(PIECE + SPARE)
    words = np.frombuffer(stream, WORD, count=PIECE // WORD.itemsize)
    combine = np.add if sign > 0 else np.subtract
    for first in range(0, len(vector), len(words)):
        cipher.update_into(zeros, stream)
        part = vector[first : first + len(words)]
        combine(part, words[: len(part)], out=part)
