"""Random numbers that only who holds the key can make again: coins and noise of private training.

AES-256 in counter mode (NIST SP 800-38A) under a key that HKDF-SHA256 (RFC 5869) makes from a
secret and from what the numbers are for. A generator with a short seed will not do: torch's on the
CPU keeps 32 bits of it, so that whoever sees a noisy sum can try all streams.
"""

import json

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PIECE = 1 << 16  # normal numbers made at a time: they stay in the processor's cache
KEY_BYTES = 32


def derived_key(key: bytes, *context: str | int) -> bytes:
    """Make a key of 32 bytes for one use; other uses say nothing of it.

    Args:
        key: 32 secret bytes.
        context: What it is for. Texts and numbers are told apart, and so are their borders.
    """
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
    name = json.dumps(["medfl stream 1", *context], separators=(",", ":"), ensure_ascii=True)
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=name.encode()).derive(key)


class SecretStream:
    """One endless row of random numbers for one use; each call goes on where the last ended.

    The row is the same in whatever pieces it is taken.
    """

    def __init__(self, key: bytes, *context: str | int) -> None:
        cipher = Cipher(algorithms.AES(derived_key(key, *context)), modes.CTR(bytes(16)))
        self._bytes = cipher.encryptor()

    def uniform(self, n: int) -> Vector:
        """Give (n,) numbers in [0, 1), each of 53 random bits."""
        return self._integers(n) * 2.0**-53

    def coins(self, n: int, chance: float) -> NDArray[np.bool_]:
        """Toss (n,) coins that each fall on True by `chance`."""
        return self.uniform(n) < chance

    def normal(self, n: int) -> Vector:
        """Give (n,) standard normal numbers by Box and Muller, in float64.

        Of a pair's two numbers both are used; an odd last one throws its pair's other away. None is
        longer than 8.6: what is beyond has a chance of 1e-17.
        Box, Muller: A Note on the Generation of Random Normal Deviates. Ann. Math. Stat. 1958.
        """
        import torch  # its logarithm, sine and cosine are five times as quick as numpy's

        found = torch.empty(n + n % 2, dtype=torch.float64)
        for start in range(0, len(found), PIECE):
            piece = found[start : start + PIECE]
            pairs = torch.from_numpy(self._integers(len(piece))).view(-1, 2)
            length = pairs[:, 0].add(0.5).mul_(2.0**-53).log_().mul_(-2).sqrt_()
            angle = pairs[:, 1].mul(2 * np.pi * 2.0**-53)
            torch.mul(length, angle.cos(), out=piece[0::2])
            torch.mul(length, angle.sin_(), out=piece[1::2])
        normal: Vector = found.numpy()[:n]
        return normal

    def _integers(self, n: int) -> Vector:
        """Give (n,) whole numbers of 53 random bits, as float64."""
        raw = np.frombuffer(self._bytes.update(bytes(8 * n)), "<u8")
        return (raw >> np.uint64(11)).astype(np.float64)
