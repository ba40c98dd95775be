"""How wide an AUC's interval will be: by hand, by simulation, and as the pages have it then."""

import numpy as np
import pytest

from medfl_common.metrics.counts import area, histogram
from medfl_common.metrics.intervals import delong
from medfl_common.metrics.sample_size import (
    Expected,
    auc_variance,
    expected_interval,
    patients_for,
    width,
)


def test_the_standard_error_is_that_of_hanley_and_mcneils_example() -> None:
    # Radiology 143:29 (1982): 58 normal and 51 abnormal CT images, area 0.893, SE 0.032
    by_hand = np.sqrt((0.0956 + 50 * 0.00925 + 57 * 0.04501) / (51 * 58))

    assert np.sqrt(auc_variance(0.893, 51, 58)) == pytest.approx(by_hand, rel=1e-3)
    assert by_hand == pytest.approx(0.032, abs=0.001)


def simulated(images: int, icc: float, is_normal: bool = False) -> float:
    """Return the width of the middle 95 % of AUCs of 0.8, of 150 patients, 45 with the finding."""
    from scipy.stats import expon, norm
    from sklearn.metrics import roc_auc_score

    rng, found = np.random.default_rng(1), []
    truth = np.repeat(np.arange(150) < 45, images)
    for _ in range(600):
        own = np.sqrt(icc) * np.repeat(rng.normal(size=150), images)
        noise = own + np.sqrt(1 - icc) * rng.normal(size=150 * images)
        odds = noise + 1.19 * truth if is_normal else expon.ppf(norm.cdf(noise)) * (1 + 3 * truth)
        found.append(roc_auc_score(truth, odds))
    assert np.mean(found) == pytest.approx(0.8, abs=0.005)
    low, high = np.percentile(found, [2.5, 97.5])
    return float(high - low)


@pytest.mark.parametrize(("images", "icc"), [(1, 1.0), (5, 0.3), (5, 0.9)])
def test_the_width_is_that_of_simulated_studies(images: int, icc: float) -> None:
    found = width(expected_interval(150, Expected(0.8, 0.3, images, icc)))

    assert found == pytest.approx(simulated(images, icc), rel=0.15)


def test_the_width_errs_to_the_wide_side_for_normal_scores() -> None:
    found = width(expected_interval(150, Expected(0.8, 0.3)))

    assert 1 < found / simulated(1, 1.0, is_normal=True) < 1.3


def test_the_interval_is_near_the_one_that_the_report_then_shows() -> None:
    rng = np.random.default_rng(2)
    positive, negative = (histogram(rng.normal(mean, 1, n)) for mean, n in ((1.19, 90), (0, 210)))

    shown = delong(positive, negative)
    own = expected_interval(300, Expected(area(positive, negative), 0.3))

    assert shown is not None
    assert own is not None
    assert own == pytest.approx(shown, abs=0.03)


def test_the_fewest_patients_for_a_width_are_enough_and_one_fewer_is_not() -> None:
    expected = Expected(0.85, 0.2, images=3, icc=0.5)

    n = patients_for(0.1, expected)

    assert n is not None
    assert width(expected_interval(n, expected)) <= 0.1
    assert width(expected_interval(n - 1, expected)) > 0.1
    assert patients_for(1e-6, expected) is None


def test_fewer_than_ten_patients_with_several_images_have_no_interval_as_on_the_pages() -> None:
    assert expected_interval(18, Expected(0.8, 0.5, images=4, icc=0.5)) is None
    assert expected_interval(20, Expected(0.8, 0.5, images=4, icc=0.5)) is not None
    assert expected_interval(18, Expected(0.8, 0.5)) is not None
