"""When a site's participant flow may leave: with its statistics, where the plan asks; no few."""

from collections.abc import Mapping
from dataclasses import replace

from medfl_client.config.site_file import Policy
from medfl_client.egress.held_back import held_back
from medfl_common.metrics.few_participants import (
    hides_total,
    small_participants,
    suppressed_participants,
)
from medfl_common.plan.plan import Plan
from medfl_common.wire.participant_numbers import BEFORE, PARTICIPANTS
from medfl_common.wire.results import TrainResult


def released_participants(result: TrainResult, plan: Plan, policy: Policy) -> TrainResult:
    """Take out what the plan does not ask for, and what tells of few; `left_out` with it.

    Args:
        result: Its statistics are what leaves of them.
        plan: The study's.
        policy: The site's.
    """
    counted, told = result.participants, result.statistics
    if counted is None or told is None or not plan.federation.participants:
        return replace(result, participants=None)
    kept = suppressed_participants(counted, told, policy.min_cell, plan.task)
    if hides_total(counted, policy.min_cell):
        told = replace(told, left_out=0)
    return replace(result, participants=kept, statistics=told)


def check_participants(
    numbers: Mapping[str, object], plan: Plan | None, policy: Policy, has_update: bool
) -> None:
    """Look a last time at a finished message's counts; raises DisclosureError."""
    told = {
        name.removeprefix(BEFORE): value
        for name, value in numbers.items()
        if name in PARTICIPANTS and isinstance(value, list)
    }
    if not told:
        return
    if plan is None or not plan.federation.participants or has_update:
        raise held_back("a participant flow that was not asked for")
    if not policy.share_statistics or "data_samples" not in numbers:
        raise held_back("a participant flow beside no statistics", "share_statistics")
    if name := small_participants(told, policy.min_cell):
        raise held_back(f"{name} of a participant flow count few", "min_cell")
