"""Numbers as the report writes them."""

from medfl_common.metrics.enough import digits
from medfl_common.metrics.estimates import Estimate


def number(value: float | None, n: int, bound: float = 0.0) -> str:
    """Write a score with the digits that n images and the bins' error allow, or n/a."""
    return "n/a" if value is None else f"{value:.{digits(n, bound)}f}"


def with_interval(estimate: Estimate) -> tuple[str, str]:
    """Write a value and its interval."""
    value, low, high = (
        number(one, estimate.n, estimate.bound)
        for one in (estimate.value, estimate.low, estimate.high)
    )
    return value, "n/a" if "n/a" in (low, high) else f"{low} to {high}"
