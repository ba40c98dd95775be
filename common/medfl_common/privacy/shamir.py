"""Shares of a secret: some of them give it back, one fewer tell nothing of it.

Shamir: How to share a secret. Communications of the ACM 22(11), 1979.
https://doi.org/10.1145/359168.359176
"""

from collections.abc import Iterable, Mapping

from medfl_common.privacy.derived_keys import KEY_BYTES, derive

PRIME = 2**256 + 297  # the field: every secret of 32 bytes is a number below it
SHARE_BYTES = 33


def split(secret: bytes, places: Iterable[int], threshold: int, seed: bytes) -> dict[int, bytes]:
    """Give the share of each place; any `threshold` of them give the secret back.

    The same seed gives the same shares, so a site that starts again tells no second polynomial.

    Args:
        secret: 32 bytes, the polynomial's value at 0.
        places: Where the polynomial is evaluated: numbers from 1, each once.
        threshold: Shares that are needed: the polynomial's degree and 1.
        seed: 32 secret bytes, used for nothing else.
    """
    higher = [_number(derive(seed, "shamir", power, size=48)) for power in range(1, threshold)]
    coefficients = [_number(secret), *(value % PRIME for value in higher)]
    return {place: _value(coefficients, place).to_bytes(SHARE_BYTES) for place in places}


def join(shares: Mapping[int, bytes]) -> bytes:
    """Give the secret of exactly as many shares as are needed, by their places.

    Shares that do not belong together give some other 32 bytes, or a ValueError.
    """
    total = 0
    for place, share in shares.items():
        above = below = 1
        for other in shares:
            if other != place:
                above, below = above * other % PRIME, below * (other - place) % PRIME
        total += _number(share) * above * pow(below, -1, PRIME)
    secret = total % PRIME
    if secret >> (8 * KEY_BYTES):
        raise ValueError("the shares do not belong together")
    return secret.to_bytes(KEY_BYTES)


def _value(coefficients: list[int], place: int) -> int:
    """Evaluate a polynomial by Horner's rule."""
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * place + coefficient) % PRIME
    return value


def _number(data: bytes) -> int:
    return int.from_bytes(data)
