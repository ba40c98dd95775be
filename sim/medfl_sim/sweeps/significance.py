"""The tests of a sweep: Student's paired t, Holm's correction, Friedman's test, Nemenyi's.

Holm: A simple sequentially rejective multiple test procedure. Scand. J. Statist. 1979.
Demsar: Statistical comparisons of classifiers over multiple data sets. JMLR 2006.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
MIN_PAIRS = 3  # seeds of a paired test
MIN_RANKED = 6  # of fewer seeds no rank test can reach .05: 2 / 2**5 is .0625
SAME = 1e-12  # differences that spread less are one number

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gap:
    """A mean difference over seeds, its 95 % interval, and the p of its being chance."""

    n: int
    mean: float
    low: float | None = None  # None: too few seeds, or the seeds make no difference
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Ranking:
    """Treatments ranked in each block, 1 the best, and Friedman's test of their mean ranks."""

    treatments: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n_blocks: int
    statistic: float  # of the chi-squared distribution with K - 1 degrees of freedom
    p: float
    critical_difference: float  # mean ranks that differ by more are apart (Nemenyi, .05)

    @property
    def best_p(self) -> float:
        """The smallest p that so many blocks can give: every block has the same order."""
        from scipy.stats import chi2

        k = len(self.treatments)
        return float(chi2.sf(self.n_blocks * (k - 1), k - 1))

    def together(self) -> list[tuple[int, int]]:
        """List the longest runs of treatments, best first, that the test cannot tell apart.

        A run is (first, last) of the order by mean rank.
        """
        ranks = sorted(self.mean_ranks)
        runs: list[tuple[int, int]] = []
        for first, rank in enumerate(ranks):
            last = max(i for i, r in enumerate(ranks) if r - rank <= self.critical_difference)
            if last > first and (not runs or last > runs[-1][1]):
                runs.append((first, last))
        return runs


def paired(one: Sequence[float], other: Sequence[float]) -> Gap | None:
    """Compare two settings seed by seed by Student's t; None without a common seed.

    A test of ranks needs six seeds to reach .05 at all; so the test is Student's, which assumes
    that the differences over seeds are about normal.
    """
    from scipy.stats import t as student  # a second to import

    gaps = [a - b for a, b in zip(one, other, strict=True)]
    if not gaps:
        return None
    n, mean = len(gaps), statistics.fmean(gaps)
    if n < MIN_PAIRS:
        return Gap(n, mean)
    spread = statistics.stdev(gaps)
    if spread < SAME:
        return Gap(n, mean, p=1.0 if abs(mean) < SAME else None)
    error = spread / math.sqrt(n)
    half = float(student.ppf(1 - ALPHA / 2, n - 1)) * error
    p = 2 * float(student.sf(abs(mean) / error, n - 1))
    return Gap(n, mean, mean - half, mean + half, p)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Correct the p of one table for their number; None, no test, stays None and does not count.

    The i-th smallest of m is multiplied by m - i + 1, and none is below a smaller one's.
    """
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    so_far = 0.0
    for rank, (p, place) in enumerate(known):
        so_far = max(so_far, min(1.0, (len(known) - rank) * p))
        corrected[place] = so_far
    return corrected


def rank(treatments: Sequence[str], values: Floats) -> Ranking | None:
    """Rank K treatments over N blocks, a higher value is better; equal ones share their ranks.

    Args:
        treatments: The K names.
        values: (N, K) one figure per block and treatment.

    Returns:
        None with fewer than three treatments or two blocks.
    """
    from scipy.stats import friedmanchisquare, rankdata

    n, k = values.shape
    if k < 3 or n < 2:
        return None
    ranks = rankdata(-values, axis=1)
    is_tied = bool((ranks == ranks[:, :1]).all())  # in every block all are equal
    statistic, p = (0.0, 1.0) if is_tied else friedmanchisquare(*values.T)
    return Ranking(
        treatments=tuple(treatments),
        mean_ranks=tuple(float(r) for r in ranks.mean(axis=0)),
        n_blocks=n,
        statistic=float(statistic),
        p=float(p),
        critical_difference=nemenyi_q(k) * math.sqrt(k * (k + 1) / (6 * n)),
    )


def nemenyi_q(k: int) -> float:
    """Give q of Nemenyi's test of k treatments: the Studentized range over the root of 2."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - ALPHA, k, np.inf)) / math.sqrt(2)
