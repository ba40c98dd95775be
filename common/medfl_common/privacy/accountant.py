"""What noise costs: Renyi differential privacy (RDP) by integer order, and epsilon from it.

Mironov, Talwar, Zhang: Renyi Differential Privacy of the Sampled Gaussian Mechanism. 2019.
https://arxiv.org/abs/1908.10530

Neighbours differ by one patient who is there or not. Costs of steps add up order by order.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Rdp = NDArray[np.float64]  # (63,) by order of ORDERS, nats

ORDERS = range(2, 65)
_ALPHA: Rdp = np.array(ORDERS, dtype=np.float64)
_MOST_NOISE = 1e6  # clips; a multiplier beyond it serves no study


def rdp_of_step(q: float, multiplier: float) -> Rdp:
    """Give the exact RDP of one step of the Poisson-subsampled Gaussian.

    Args:
        q: Chance at which a patient is drawn, 0 to 1.
        multiplier: Standard deviation of the noise, in clips, > 0.

    Returns:
        (63,) the cost by order, section 3.3 of Mironov et al.: both directions of neighbours.
    """
    if not (0 <= q <= 1 and multiplier > 0):
        raise ValueError(f"q {q} is not in 0 to 1, or the multiplier {multiplier} is not above 0")
    if q in (0, 1):
        return q * _ALPHA / (2 * multiplier**2)
    alpha, k = _ALPHA[:, np.newaxis], np.arange(2, ORDERS.stop, dtype=np.float64)
    x = (k * k - k) / (2 * multiplier**2)
    grown = x + np.log(-np.expm1(-x))  # log(e^x - 1); the terms without e^x sum to 1
    with np.errstate(invalid="ignore"):
        terms = _log_binomials() + k * math.log(q) + (alpha - k) * math.log1p(-q) + grown
    log_moment: Rdp = np.logaddexp(0, np.logaddexp.reduce(terms, axis=1))
    return log_moment / (_ALPHA - 1)


def epsilon_of(rdp: Rdp, delta: float) -> tuple[float, int]:
    """Turn RDP into epsilon at delta; give it and the order that tells the least.

    Proposition 12 of Canonne, Kamath, Steinke: The Discrete Gaussian for Differential Privacy.
    NeurIPS 2020. https://arxiv.org/abs/2004.00010 (as Balle et al. 2020, theorem 21). It holds at
    every order, and is tighter than Mironov 2017.
    """
    every = np.maximum(rdp + _price(delta), 0)
    best = int(np.argmin(every))
    return float(every[best]), ORDERS[best]


def capacity(epsilon: float, delta: float, order: int) -> float:
    """Give the RDP of one order that just makes (epsilon, delta); below 0: the order makes none."""
    return epsilon - float(_price(delta)[order - ORDERS.start])


def filter_order(epsilon: float, delta: float) -> int:
    """Choose the one order of a budget: at which it bears the most Gaussian releases.

    A sum that may depend on what was released before is bounded at one order fixed beforehand, not
    at the best one afterwards (Feldman, Zrnic: Individual Privacy Accounting via a Renyi Filter.
    NeurIPS 2021. https://arxiv.org/abs/2008.11193).
    """
    bears = (epsilon - _price(delta)) / _ALPHA  # the RDP of a Gaussian grows with its order
    best = int(np.argmax(bears))
    if bears[best] <= 0:
        raise ValueError(f"epsilon {epsilon:g} at delta {delta:g} is below what orders to 64 tell")
    return ORDERS[best]


def least_epsilon(delta: float) -> float:
    """Give the epsilon that even endless noise costs at orders up to 64."""
    return max(float(_price(delta).min()), 0.0)


def multiplier_for(epsilon: float, delta: float, q: float, steps: int) -> float:
    """Find the least noise, in clips, with which steps cost at most epsilon at delta."""
    if epsilon <= least_epsilon(delta):
        raise ValueError(f"no noise gives epsilon {epsilon:g} at delta {delta:g}")
    return _least(lambda m: epsilon_of(steps * rdp_of_step(q, m), delta)[0] <= epsilon)


def gaussian_multiplier(epsilon: float, delta: float) -> float:
    """Find the least noise of one Gaussian release of sensitivity 1.

    Exact: theorem 8 of Balle, Wang: Improving the Gaussian Mechanism for Differential Privacy. ICML
    2018. https://arxiv.org/abs/1805.06530
    """
    return _least(lambda m: _gaussian_delta(epsilon, m) <= delta)


def _gaussian_delta(epsilon: float, multiplier: float) -> float:
    half, shift = 1 / (2 * multiplier), epsilon * multiplier
    safe = 1 + 1e-14  # above what rounding may take from the difference
    return safe * _phi(half - shift) - math.exp(epsilon) * _phi(-half - shift)


def _phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def _least(holds: Callable[[float], bool]) -> float:
    """Find the least multiplier for which something holds that more noise never undoes."""
    low, high = 1e-3, _MOST_NOISE
    if not holds(high):
        raise ValueError("no noise up to a million clips is enough")
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _price(delta: float) -> Rdp:
    """Give what the conversion adds to the RDP of each order."""
    if not 0 < delta < 1:
        raise ValueError(f"delta {delta} is not between 0 and 1")
    price: Rdp = np.log1p(-1 / _ALPHA) - (math.log(delta) + np.log(_ALPHA)) / (_ALPHA - 1)
    return price


@cache
def _log_binomials() -> Rdp:
    """Give log(order over k) as (63, 63), orders by k = 2..64; -inf where k is more."""
    logs = [[math.log(math.comb(a, k)) if k <= a else -math.inf for k in ORDERS] for a in ORDERS]
    return np.array(logs)
