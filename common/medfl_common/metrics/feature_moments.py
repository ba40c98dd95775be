"""Means and covariances of images' features over sites, and how far another image is from them.

Features are looked at along fixed random directions, in which they are nearly normal (Diaconis,
Freedman: Ann Stat 12:793, 1984). An image's Mahalanobis distance then is Hotelling's T squared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
N_DIRECTIONS = 16
LENGTH = 1 + N_DIRECTIONS + N_DIRECTIONS * (N_DIRECTIONS + 1) // 2  # of a list
LARGEST = 1e12  # of the numbers
DIGITS = 6  # of each number that leaves
RIDGE = 1e-3  # of the mean variance: what a direction without variance gets
UPPER = np.triu_indices(N_DIRECTIONS)


@dataclass(frozen=True)
class FeatureMoments:
    """What images' features are on average, and how they vary; nothing of one image.

    n: Images.
    mean: (K,) along the directions.
    covariance: (K, K)
    """

    n: int
    mean: Floats
    covariance: Floats

    def to_numbers(self) -> list[float]:
        """Write n, the mean and the upper triangle of the covariance."""
        numbers = [*self.mean.tolist(), *self.covariance[UPPER].tolist()]
        return [float(self.n), *(float(f"{number:.{DIGITS}g}") for number in numbers)]

    @classmethod
    def of_numbers(cls, numbers: Sequence[float]) -> "FeatureMoments":
        """Read them; raise ValueError where there are others than `to_numbers` writes."""
        is_possible = len(numbers) == LENGTH and bool((np.abs(numbers) <= LARGEST).all())
        if not is_possible or numbers[0] % 1 or numbers[0] < 1:
            raise ValueError(f"{len(numbers)} numbers are no moments of features")
        covariance = np.zeros((N_DIRECTIONS, N_DIRECTIONS))
        covariance[UPPER] = numbers[1 + N_DIRECTIONS :]
        covariance = covariance + np.triu(covariance, 1).T
        return cls(int(numbers[0]), np.array(numbers[1 : 1 + N_DIRECTIONS]), covariance)

    def rank(self, features: Floats) -> Floats:
        """Give of (N, F) features which part of such images is nearer, 0..1, by Hotelling."""
        from scipy.special import fdtr  # a second to import

        k, n = N_DIRECTIONS, self.n
        if n <= k + 1:
            return np.zeros(len(features))
        apart = along_directions(features) - self.mean
        spread = self.covariance * n / (n - 1)
        ridge = RIDGE * max(float(np.trace(spread)) / k, 1e-12)
        precision = np.linalg.inv(spread + ridge * np.eye(k))
        distances = np.einsum("nk,kl,nl->n", apart, precision, apart)
        return np.asarray(fdtr(k, n - k, distances * n * (n - k) / (k * (n**2 - 1.0))))


def along_directions(features: Floats) -> Floats:
    """Turn (N, F) features into (N, K), along directions that follow from F alone.

    Signs at random: Achlioptas, J Comput Syst Sci 66:671 (2003).
    """
    from medfl_common.seeds import numpy_generator  # and torch, which takes a second

    n_features = features.shape[1]
    rng = numpy_generator(0, f"directions of {n_features} features")
    signs = rng.integers(0, 2, (n_features, N_DIRECTIONS)) * 2.0 - 1.0
    return np.asarray(features @ signs / np.sqrt(n_features))


def moments_of(features: Floats) -> FeatureMoments:
    """Compute the moments of (N, F) features."""
    seen = along_directions(features)
    mean = seen.mean(axis=0)
    return FeatureMoments(len(seen), mean, (seen - mean).T @ (seen - mean) / len(seen))


def joined_moments(parts: Sequence[FeatureMoments]) -> FeatureMoments | None:
    """Join the moments of several sites, as if all images were in one place."""
    if not parts:
        return None
    n = sum(part.n for part in parts)
    mean = np.sum([part.n * part.mean for part in parts], axis=0) / n
    second = [part.n * (part.covariance + np.outer(part.mean - mean, part.mean - mean))
              for part in parts]  # fmt: skip
    return FeatureMoments(n, mean, np.sum(second, axis=0) / n)
