import math
from collections.abc import Iterator

import numpy as np
import pytest

from medfl_common.privacy.accountant import (
    ORDERS,
    capacity,
    epsilon_of,
    filter_order,
    gaussian_multiplier,
    multiplier_for,
    rdp_of_step,
)

DELTA = 1e-5


def _cases(n: int) -> Iterator[tuple[float, float, int]]:
    rng = np.random.default_rng(21)
    for _ in range(n):
        q, multiplier = 10 ** rng.uniform(-3, 0), 10 ** rng.uniform(-0.2, 1.3)
        yield float(q), float(multiplier), int(10 ** rng.uniform(0, 3.5))


def test_the_cost_of_steps_is_never_below_that_of_dp_accounting_and_little_above_it() -> None:
    """Little: 5 %. With less noise than one clip whole orders are too far apart: 12 % were seen."""
    import dp_accounting
    from dp_accounting import rdp

    n_compared = 0
    for q, multiplier, steps in _cases(200):
        own = steps * rdp_of_step(q, multiplier)

        step = dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(multiplier))
        event = dp_accounting.SelfComposedDpEvent(step, steps)
        other = rdp.RdpAccountant(orders=list(ORDERS)).compose(event)
        assert np.all(own >= np.array(other._rdp) - 1e-9)
        np.testing.assert_allclose(own, other._rdp, rtol=1e-6, atol=1e-12)

        epsilon, order = epsilon_of(own, DELTA)
        if multiplier >= 1 and 2 < order < ORDERS[-1]:  # the best order is one of these
            best = rdp.RdpAccountant().compose(event).get_epsilon(DELTA)
            assert best - 1e-9 <= epsilon <= 1.05 * best, (q, multiplier, steps, order)
            n_compared += 1
    assert n_compared > 80


def test_the_tight_figure_is_never_above_the_cost() -> None:
    import dp_accounting
    from dp_accounting import pld

    for q, multiplier, steps in ((1 / 8, 1.0, 16), (0.272, 3.0, 80), (0.054, 2.0, 400)):
        step = dp_accounting.PoissonSampledDpEvent(q, dp_accounting.GaussianDpEvent(multiplier))
        tight = pld.PLDAccountant().compose(dp_accounting.SelfComposedDpEvent(step, steps))

        epsilon, _ = epsilon_of(steps * rdp_of_step(q, multiplier), DELTA)

        assert 0.8 * epsilon < tight.get_epsilon(DELTA) <= epsilon


def test_the_conversion_holds_at_each_order() -> None:
    """A Gaussian of sensitivity 1 whose exact delta is known (Balle, Wang 2018)."""
    for multiplier in (0.3, 1.0, 4.0, 30.0):
        rdp = rdp_of_step(1.0, multiplier)
        for order in ORDERS:
            for delta in (0.3, 1e-2, 1e-5, 1e-9):
                alone = np.where(np.array(ORDERS) == order, rdp, math.inf)
                epsilon, _ = epsilon_of(alone, delta)

                exact = _gaussian_delta(epsilon, multiplier)
                assert exact <= delta * (1 + 1e-9) + 1e-15


def test_a_computed_multiplier_just_fits() -> None:
    multiplier = multiplier_for(3.0, DELTA, 256 / 941, 60)

    assert epsilon_of(60 * rdp_of_step(256 / 941, multiplier), DELTA)[0] <= 3.0
    assert epsilon_of(60 * rdp_of_step(256 / 941, 0.999 * multiplier), DELTA)[0] > 3.0
    with pytest.raises(ValueError, match="no noise gives epsilon"):
        multiplier_for(0.05, DELTA, 0.1, 10)


def test_one_gaussian_release_just_fits() -> None:
    for epsilon in (0.3, 1.0, 3.0, 8.0):
        multiplier = gaussian_multiplier(epsilon, DELTA)

        assert _gaussian_delta(epsilon, multiplier) == pytest.approx(DELTA, rel=1e-5)
        assert _gaussian_delta(epsilon, multiplier) <= DELTA


def test_the_order_of_a_filter_bears_the_most_steps() -> None:
    assert [filter_order(epsilon, DELTA) for epsilon in (8.0, 3.0)] == [4, 8]
    caps = {order: capacity(8.0, DELTA, order) for order in ORDERS}
    bears = {order: cap / (order / 2) for order, cap in caps.items()}
    assert max(bears, key=lambda order: bears[order]) == 4
    assert epsilon_of(np.where(np.array(ORDERS) == 4, caps[4], math.inf), DELTA)[0] == (
        pytest.approx(8.0)
    )
    with pytest.raises(ValueError, match="is below what"):
        filter_order(0.05, DELTA)


def _gaussian_delta(epsilon: float, multiplier: float) -> float:
    from scipy.stats import norm

    half, shift = 1 / (2 * multiplier), epsilon * multiplier
    # e^epsilon times the second tail, in logs, which stay finite at any epsilon
    return float(norm.cdf(half - shift) - np.exp(epsilon + norm.logcdf(-half - shift)))
