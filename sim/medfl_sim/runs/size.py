"""`medfl-sim size`: how wide an AUC's interval will be, before a study is made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medfl_common.errors import ConfigError
from medfl_common.metrics.intervals import Interval
from medfl_common.metrics.sample_size import Expected, expected_interval, patients_for, width

Rows = list[list[str]]
NONE = "no interval"
SMALLEST_TEST = 10  # patients, as in medfl_client.data.split
NO_PART = f"a hospital has no test part of fewer than {SMALLEST_TEST} patients"


@dataclass(frozen=True)
class Question:
    """What is asked: hospitals alike, of which each scores so many patients."""

    expected: Expected
    patients: Sequence[int]  # scored at a hospital, a row for each
    n_sites: int
    share: float  # the plan's test part of a hospital's patients
    wished: float | None = None  # width of the interval over all hospitals


def header(ask: Question) -> list[str]:
    """Name the columns of `size_rows`."""
    own = ["patients scored at a hospital", "images", f"patients there (test {ask.share:g})"]
    return [*own, "one hospital", "width", f"all {ask.n_sites} hospitals", "width"]


def size_rows(ask: Question) -> Rows:
    """List a row for each number of patients, then one for the wished width."""
    rows = [_row(n, ask) for n in ask.patients]
    needed = patients_needed(ask)
    return rows if needed is None else [*rows, _row(needed, ask)]


def patients_needed(ask: Question) -> int | None:
    """Count the patients that each hospital must score for the wished width over all."""
    if ask.wished is None:
        return None
    found = patients_for(ask.wished, ask.expected)
    if found is None:
        raise ConfigError(
            f"no number of patients gives a width of {ask.wished:g}", todo="wish more"
        )
    return -(-found // ask.n_sites)


def in_words(ask: Question) -> list[str]:
    """Say what the table takes for granted, and what the wished width takes."""
    one, n = ask.expected, ask.n_sites
    several = (
        f", {one.images} images of each patient whose scores correlate by {one.icc:g}"
        if one.images > 1
        else ", an image of each patient"
    )
    said = [
        f"95 % intervals of an AUC of {one.auc:g}, {one.prevalence:.0%} of the patients with the "
        f"finding{several} (Hanley and McNeil 1982). Hospitals are taken for alike: where the "
        "model's scores of one lie higher than those of another, the AUC over all is lower"
    ]
    needed = patients_needed(ask)
    if min([*ask.patients, *([] if needed is None else [needed])]) < SMALLEST_TEST:
        said.append(NO_PART)
    if needed is not None:
        each = f" at each of {n} hospitals" if n > 1 else ""
        said.append(
            f"a width of {ask.wished:g} over all takes {needed} scored patients{each}: "
            f"{_there(needed, ask)} there where {ask.share:.0%} of them are the test part"
        )
    return said


def check_question(ask: Question) -> None:
    """Raise ConfigError for numbers that no study can have."""
    one = ask.expected
    wrong = {
        f"--auc {one.auc:g}: write one between 0.5 and 1": not 0.5 < one.auc < 1,
        f"--prevalence {one.prevalence:g}: write one between 0 and 1": not 0 < one.prevalence < 1,
        f"--icc {one.icc:g}: write one from 0 to 1": not 0 <= one.icc <= 1,
        f"--test {ask.share:g}: write one above 0, up to 1": not 0 < ask.share <= 1,
        f"--width {ask.wished}: write one between 0 and 1": (
            ask.wished is not None and not 0 < ask.wished < 1
        ),
        "--patients: write 1 or more": any(n < 1 for n in ask.patients),
    }
    if reason := next((reason for reason, is_so in wrong.items() if is_so), ""):
        raise ConfigError(reason)


def _row(n: int, ask: Question) -> list[str]:
    one, every = (expected_interval(k * n, ask.expected) for k in (1, ask.n_sites))
    there = str(_there(n, ask))
    return [str(n), str(n * ask.expected.images), there, *_cells(one), *_cells(every)]


def _there(n: int, ask: Question) -> int:
    return math.ceil(n / ask.share - 1e-9)


def _cells(interval: Interval | None) -> tuple[str, str]:
    if interval is None:
        return NONE, ""
    return f"{interval[0]:.3f} to {interval[1]:.3f}", f"{width(interval):.3f}"
