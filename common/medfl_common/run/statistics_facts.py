"""What the run log keeps of a site's statistics: its counts, and how its files became its parts."""

from collections.abc import Mapping
from typing import Any

from medfl_common.files import Json
from medfl_common.metrics.participants import (
    Participants,
    participants_from_json,
    participants_to_json,
)
from medfl_common.metrics.site_statistics import SiteStatistics

STATISTICS, PARTICIPANTS = "statistics", "participants"


def statistics_facts(counts: SiteStatistics, flow: Participants | None) -> dict[str, Json]:
    """Write both; nothing of a flow that was not told."""
    told: dict[str, Json] = {
        k: v if isinstance(v, int) else list(v) for k, v in vars(counts).items()
    }
    facts: dict[str, Json] = {STATISTICS: told}
    return facts if flow is None else {**facts, PARTICIPANTS: participants_to_json(flow)}


def statistics_in(facts: Mapping[str, Any]) -> SiteStatistics | None:
    """Read the counts; None: the reply had none."""
    told = facts.get(STATISTICS)
    if told is None:
        return None
    counts: dict[str, Any] = {k: v if isinstance(v, int) else tuple(v) for k, v in told.items()}
    return SiteStatistics(**counts)


def participants_in(facts: Mapping[str, Any]) -> Participants | None:
    """Read the flow; None: the reply had none."""
    told = facts.get(PARTICIPANTS)
    return None if told is None else participants_from_json(told)
