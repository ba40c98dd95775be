"""`medfl-sim size`, as a person calls it."""

import pytest
from tests.golden.commands import call

from medfl_common.metrics.sample_size import Expected, expected_interval, width
from medfl_sim.runs.size import Question, in_words, patients_needed, size_rows


def test_the_table_has_a_hospital_and_all_of_them_and_the_patients_for_a_width() -> None:
    said = call("sim", "size", "--auc", 0.8, "--prevalence", 0.3, "--patients", 100, "--sites", 4,
                "--width", 0.05, "--test", 0.2)  # fmt: skip

    (one, every) = (expected_interval(n, Expected(0.8, 0.3)) for n in (100, 400))
    assert one is not None
    assert every is not None
    assert f"{one[0]:.3f} to {one[1]:.3f}" in said
    assert f"{every[0]:.3f} to {every[1]:.3f}" in said
    assert "Hanley and McNeil 1982" in said


def test_each_hospital_scores_its_part_of_the_patients_for_the_width() -> None:
    expected = Expected(0.85, 0.2, images=3, icc=0.5)
    ask = Question(expected, [100], n_sites=4, share=0.15, wished=0.08)

    n = patients_needed(ask)

    assert n is not None
    assert width(expected_interval(4 * n, expected)) <= 0.08
    assert size_rows(ask)[-1][:3] == [str(n), str(3 * n), str(int(-(-n // 0.15)))]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (["--auc", 0.4, "--prevalence", 0.3], "--auc 0.4: write one between 0.5 and 1"),
        (["--auc", 0.8, "--prevalence", 1], "--prevalence 1: write one between 0 and 1"),
        (["--auc", 0.8, "--prevalence", 0.3, "--width", 1e-7], "no number of patients gives"),
    ],
)
def test_numbers_that_no_study_has_are_refused(given: list[object], fault: str) -> None:
    with pytest.raises(RuntimeError, match=fault):
        call("sim", "size", *given)


@pytest.mark.parametrize(("n", "share", "needed"), [(3, 0.1, 30), (6, 0.6, 10), (7, 0.2, 35)])
def test_patients_there_are_counted_whatever_the_share_is_in_binary(
    n: int, share: float, needed: int
) -> None:
    ask = Question(Expected(0.8, 0.3), [n], 1, share)

    assert size_rows(ask)[0][2] == str(needed)
    assert any("no test part of fewer than 10" in line for line in in_words(ask))
