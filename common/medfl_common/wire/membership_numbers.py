"""The counts of a membership attack in a result's numbers."""

from collections.abc import Mapping

from flwr.app import MetricRecord

from medfl_common.errors import RunError
from medfl_common.metrics.membership import N_MEMBERSHIP_BINS, Membership
from medfl_common.plan.plan import Plan
from medfl_common.wire.read_numbers import read_counts

TRAINED, HELD_OUT = MEMBERSHIP = ("membership_trained", "membership_held_out")


def membership_numbers(counts: Membership | None) -> dict[str, list[int]]:
    """Write counts; nothing where there are none."""
    if counts is None:
        return {}
    return {TRAINED: counts.trained.tolist(), HELD_OUT: counts.held_out.tolist()}


def read_membership(numbers: MetricRecord, plan: Plan) -> Membership | None:
    """Read the counts that the plan asks for, or raise RunError; None: there are none."""
    if not plan.evaluation.membership or not any(name in numbers for name in MEMBERSHIP):
        return None
    trained, held_out = (read_counts(numbers, name, (N_MEMBERSHIP_BINS,)) for name in MEMBERSHIP)
    return Membership(trained, held_out)


def check_membership(counts: Membership, kind: str, n_trained: int | None, max_images: int) -> None:
    """Raise RunError where counts were not asked for, or are of more images than a site has."""
    if kind not in ("evaluate", "test"):
        raise RunError("counts of membership were not asked for")
    total = int(counts.trained.sum() + counts.held_out.sum())
    if not 1 <= total <= max_images or (n_trained and counts.trained.sum() > n_trained):
        raise RunError(f"membership of {total} images is not possible")


def small_counts(numbers: Mapping[str, object], min_cell: int) -> bool:
    """Say whether a message's counts tell of fewer images than the smallest cell."""
    told = [n for name in MEMBERSHIP for n in as_list(numbers.get(name))]
    return any(0 < n < min_cell for n in told)


def as_list(told: object) -> list[int]:
    """Give a list of counts as it is, and nothing for another thing."""
    return told if isinstance(told, list) else []
