"""Rounds are compared on the images of the same sites, or the last one is the result."""

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakePlan

from medfl_common.metrics.counts import N_BINS, N_COARSE_BINS, ScoreCounts, coarser
from medfl_common.plan.plan import load_plan
from medfl_common.run.choice import Why
from medfl_server.reports.choice import why
from medfl_server.rounds.best_round import BestRound
from medfl_server.rounds.comparison import Comparison

BIG, SECOND, SMALL = "big", "second", "small"


def counts(n: int, n_right: int) -> ScoreCounts:
    """Give half negative and half positive images; all are right but n - n_right of each."""
    half, wrong = n - n // 2, n - n_right
    positive, negative = (np.zeros((1, N_BINS), dtype=np.int64) for _ in range(2))
    positive[0, N_BINS // 4], positive[0, -1] = wrong, n // 2 - wrong
    negative[0, N_BINS // 4 + 1], negative[0, 0] = wrong, half - wrong
    confusion = np.array([[half - wrong, wrong], [wrong, n // 2 - wrong]])
    return ScoreCounts(n, 1 - n_right / n, confusion, positive, negative)


@pytest.fixture
def comparison(make_plan: MakePlan) -> Comparison:
    return Comparison(load_plan(make_plan()))


def test_three_images_of_one_hospital_do_not_choose_the_round(comparison: Comparison) -> None:
    """The largest hospital keeps its scores back, and the second slept in rounds 3 to 10."""
    for round_ in range(13):
        asleep = 3 <= round_ <= 10
        small = counts(3, 3 if round_ == 4 else 2)
        comparison.add(round_, {SMALL: small} if asleep else {SECOND: counts(40, 36), SMALL: small})

    assert comparison.best() is None
    assert comparison.choice().why == "other_sites"
    assert comparison.choice().sites == [SMALL]


def test_a_round_that_fewer_sites_scored_is_not_the_best(comparison: Comparison) -> None:
    for round_, n_right in enumerate([30, 35, 32]):
        comparison.add(round_, {BIG: counts(40, n_right), SMALL: counts(10, 8)})
    comparison.add(3, {SMALL: counts(10, 10)})  # AUC 1, and BIG asleep

    best, choice = comparison.best(), comparison.choice()
    assert best is not None
    assert best.round == 1
    assert (choice.sites, choice.n_images) == ([BIG, SMALL], 50)
    assert (choice.n_rounds, choice.of_rounds) == (3, 4)
    assert comparison.n_since_best() == 1  # round 3 says nothing of patience


def test_a_site_that_came_later_is_compared_from_its_first_round(comparison: Comparison) -> None:
    comparison.add(0, {SMALL: counts(30, 30)})
    for round_, n_right in enumerate([20, 38, 30], start=1):
        comparison.add(round_, {SMALL: counts(30, 24), SECOND: counts(40, n_right)})

    best = comparison.best()
    assert best is not None
    assert best.round == 2
    assert comparison.best_rounds >= {2}


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([], "no_scores"),
        ([{BIG: counts(12, 9)}] * 3, "few_images"),
        ([{BIG: counts(40, 30)}, {SMALL: counts(40, 30)}], "other_sites"),
        ([{BIG: counts(40, 30)}], "few_rounds"),
        ([{BIG: counts(40, 30)}] * 2, "best"),
    ],
)
def test_the_last_round_is_the_result_where_rounds_say_too_little(
    comparison: Comparison, rounds: list[dict[str, ScoreCounts]], expected: Why
) -> None:
    for round_, scored in enumerate(rounds):
        comparison.add(round_, scored)

    assert comparison.choice().why == expected
    assert why(comparison.choice())


def test_finer_histograms_of_the_last_model_do_not_make_it_the_best(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    fine = counts(40, 40)
    fine.positive[:] = fine.negative[:] = 0
    fine.positive[0, 65] = fine.negative[0, 64] = 20  # one bin of 32, two of 128
    rounds = BestRound(load_plan(make_plan()), tmp_path)

    rounds._add(0, {BIG: coarser(fine, N_COARSE_BINS)})
    rounds._add(1, {BIG: fine})

    assert rounds.best is not None
    assert (rounds.best.round, rounds.best.value) == (0, 0.5)


def test_without_the_best_rounds_weights_the_rounds_after_are_compared(
    comparison: Comparison,
) -> None:
    for round_ in range(3):
        comparison.add(round_, {BIG: counts(40, 38 - round_)})
    comparison.forget_lost(set())
    assert comparison.choice().why == "weights_gone"

    for round_, n_right in ((3, 30), (4, 32)):
        comparison.add(round_, {BIG: counts(40, n_right)})

    best = comparison.best()
    assert best is not None
    assert (best.round, comparison.choice().n_rounds) == (4, 2)


def test_many_sites_of_which_some_sleep_in_each_round_are_compared_in_their_common_rounds(
    comparison: Comparison,
) -> None:
    sites = [f"site-{i}" for i in range(10)]
    for round_ in range(10):
        awake = [s for i, s in enumerate(sites) if (i, round_) not in ((0, 3), (1, 4), (2, 5))]
        comparison.add(round_, {site: counts(20, 12 + round_) for site in awake})

    choice = comparison.choice()
    assert (choice.why, choice.n_rounds, len(choice.sites)) == ("best", 7, 10)
