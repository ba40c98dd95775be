"""Numbers as the report writes them."""

from medfl_common.metrics.enough import case_digits, digits
from medfl_common.metrics.estimates import Estimate
from medfl_common.plan.plan import Plan


def number(value: float | None, n: int, bound: float = 0.0) -> str:
    """Write a score with the digits that n images and the bins' error allow, or n/a."""
    return "n/a" if value is None else f"{value:.{digits(n, bound)}f}"


def case_number(value: float | None, n: int) -> str:
    """Write a Dice, or another score of cases, with the digits that n of them allow, or n/a."""
    return "n/a" if value is None else f"{value:.{case_digits(n)}f}"


def with_interval(estimate: Estimate) -> tuple[str, str]:
    """Write a value and its interval, or why there is none."""
    value, low, high = (
        number(one, estimate.n, estimate.bound)
        for one in (estimate.value, estimate.low, estimate.high)
    )
    return value, interval_text(estimate, low, high)


def interval_text(estimate: Estimate, low: str, high: str) -> str:
    """Join the ends of an interval; where it counts images, it may be wider by patient."""
    if estimate.independent == "too few":
        return f"{_patients(estimate.n_patients)}: no interval"
    if "n/a" in (low, high):
        return "n/a"
    return f"{low} to {high}" + " or wider" * (estimate.independent == "images")


def ends_of(estimate: Estimate, plan: Plan) -> list[str]:
    """Write a value and the ends of its interval as a table for programs has them; empty: none."""
    n, ends = estimate.n, (estimate.value, estimate.low, estimate.high)
    if plan.task.is_dense:
        return ["" if one is None else case_number(one, n) for one in ends]
    return ["" if one is None else number(one, n, estimate.bound) for one in ends]


def interval_in_words(estimate: Estimate) -> str:
    """Write what stands in brackets behind a value in a sentence."""
    interval = with_interval(estimate)[1]
    return interval if estimate.independent == "too few" else f"95 % interval {interval}"


def _patients(n: int | None) -> str:
    if n is None:
        return "too few patients"
    return f"{n} patient" if n == 1 else f"{n} patients"
