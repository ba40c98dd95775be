"""Secret random numbers: of the right spread, of one key, and no two rows the same."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.conftest import ROOT

from medfl_common.privacy.random_stream import PIECE, SecretStream, derived_key

KEY = bytes(range(32))
NOISY = (  # what makes coins and noise; no generator with a short seed may be near it
    ROOT / "common/medfl_common/privacy",
    ROOT / "client/medfl_client/training/clipping.py",
    ROOT / "client/medfl_client/training/private_train.py",
    ROOT / "client/medfl_client/training/noisy_scores.py",
)
SHORT = {
    "Generator", "RandomState", "bernoulli", "default_rng", "manual_seed", "multinomial", "normal_",
    "numpy_generator", "rand", "rand_like", "randint", "randn", "randn_like", "random", "randperm",
    "seeds", "standard_normal", "torch_generator", "uniform_",
}  # fmt: skip


def test_normal_numbers_are_normal_and_uniform_ones_uniform() -> None:
    from scipy.stats import kstest

    stream = SecretStream(KEY, "test")
    normal, uniform = stream.normal(200_001), stream.uniform(200_000)

    assert kstest(normal, "norm").pvalue > 0.01
    assert kstest(uniform, "uniform").pvalue > 0.01
    assert abs(normal.mean()) < 0.01
    assert abs(normal.var() - 1) < 0.02
    assert abs((normal**4).mean() - 3) < 0.1  # kurtosis
    assert abs(np.corrcoef(normal[:-1:2], normal[1::2])[0, 1]) < 0.01  # the two of a pair
    assert 0 <= uniform.min() < uniform.max() < 1


def test_coins_fall_by_their_chance_and_one_toss_says_nothing_of_the_next() -> None:
    coins = SecretStream(KEY, "coins").coins(100_000, 0.1)

    assert abs(coins.mean() - 0.1) < 4 * np.sqrt(0.09 / 100_000)
    assert abs(np.corrcoef(coins[:-1], coins[1:])[0, 1]) < 0.015


def test_a_row_is_the_same_in_whatever_pieces_it_is_taken() -> None:
    whole, pieces = SecretStream(KEY, "row"), SecretStream(KEY, "row")

    several = [pieces.normal(n) for n in (2, PIECE, 4, PIECE + 10)]

    assert np.array_equal(whole.normal(2 * PIECE + 16), np.concatenate(several))


def test_the_stream_is_aes_256_under_hkdf_as_rfc_5869_says_it() -> None:
    import hashlib
    import hmac

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    extracted = hmac.digest(bytes(32), KEY, "sha256")
    key = hmac.digest(extracted, b'["medfl stream 1","noise",7]\x01', hashlib.sha256)
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(bytes(16))

    assert derived_key(KEY, "noise", 7) == key
    expected = [int.from_bytes(block[i : i + 8], "little") >> 11 for i in (0, 8)]
    assert (SecretStream(KEY, "noise", 7).uniform(2) * 2.0**53).tolist() == expected


def test_no_two_questions_have_the_same_stream() -> None:
    parts = (["plan a", "plan b"], ["train", "test"], ["w", "v"], ["d", "e"], ["0.1", "1"])
    contexts: list[tuple[str | int, ...]] = [
        (*texts, round_) for texts in itertools.product(*parts) for round_ in (1, 2)
    ]
    contexts += [(*contexts[0][:-1], "1"), ("plan atrain", *contexts[0][2:])]

    first = {SecretStream(KEY, *context).uniform(1)[0] for context in contexts}

    assert len(first) == len(contexts)
    assert SecretStream(bytes(32), *contexts[0]).uniform(1)[0] not in first


def test_keys_that_agree_in_32_bits_have_other_streams_unlike_seeds_of_torch() -> None:
    seeds = (5, 5 + 2**32)

    of_torch = [torch.randn(4, generator=torch.Generator().manual_seed(s)) for s in seeds]
    own = [SecretStream(s.to_bytes(32, "big"), "noise").normal(4) for s in seeds]

    assert torch.equal(*of_torch)
    assert not (own[0] == own[1]).any()


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        SecretStream(bytes(16), "noise")


def test_no_module_of_the_noise_uses_a_generator_with_a_short_seed() -> None:
    files = [p for place in NOISY for p in ([place] if place.suffix else place.glob("*.py"))]

    found = {str(path.name): names_in(path) & SHORT for path in files if path.exists()}

    assert "random_stream.py" in found
    assert not any(found.values()), found


def names_in(path: Path) -> set[str]:
    """Give every name that a file imports, or takes from something."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {part for alias in node.names for part in alias.name.split(".")}
            found |= {*(getattr(node, "module", None) or "").split(".")}
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return found
