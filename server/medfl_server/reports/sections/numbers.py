"""Numbers as the report writes them."""

from medfl_common.metrics.estimates import Estimate


def three_digits(value: float | None) -> str:
    """Write a value, or n/a."""
    return "n/a" if value is None else f"{value:.3f}"


def with_interval(estimate: Estimate) -> tuple[str, str]:
    """Write a value and its interval."""
    if estimate.value is None:
        return "n/a", "n/a"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}", "n/a"
    return f"{estimate.value:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}"
