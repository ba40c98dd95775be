"""Every random generator is made from (seed, purpose, round, site): no global state anywhere.

Round 7 is the same whether or not the run stopped at 6, and whatever the other sites did.
"""

import hashlib

import numpy as np
import torch


def derive_seed(seed: int, purpose: str, round_: int, site: str) -> int:
    """Mix the four into a seed in 0..2**63-1."""
    text = f"{seed}|{purpose}|{round_}|{site}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, purpose: str, round_: int = 0, site: str = "") -> torch.Generator:
    """Make a CPU generator for torch."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, round_, site))


def numpy_generator(
    seed: int, purpose: str, round_: int = 0, site: str = ""
) -> np.random.Generator:
    """Make a generator for numpy."""
    return np.random.default_rng(derive_seed(seed, purpose, round_, site))
