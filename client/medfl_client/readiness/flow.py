"""The participant flow that a site would tell, for its own eyes before it approves."""

from medfl_client.config.site_file import SiteFile
from medfl_client.data.dataset import SiteData
from medfl_common.metrics.few_participants import suppressed_participants
from medfl_common.metrics.participants import (
    IN_WORDS,
    MAKERS,
    REASONS,
    STUDY_PARTS,
    VIEWS,
    Participants,
)
from medfl_common.metrics.site_statistics import AGES, SEXES, SiteStatistics, band_names
from medfl_common.plan.plan import Plan
from medfl_common.ui.page import Table


def flow_to_tell(
    shown: SiteData | None, told: SiteStatistics | None, plan: Plan, site: SiteFile
) -> Participants | None:
    """Count the flow as the guard would let it out; None: the plan does not ask for it."""
    if shown is None or shown.participants is None or told is None:
        return None
    if not plan.federation.participants:
        return None
    return suppressed_participants(shown.participants(), told, site.policy.min_cell, plan.task)


def flow_tables(flow: Participants, plan: Plan) -> list[Table]:
    """Lay out reasons with files and patients, and categories with images by part."""
    reasons = [
        [IN_WORDS[code], f"{n:,}", f"{patients:,}"]
        for code, n, patients in zip(REASONS, flow.reasons, flow.reason_patients, strict=True)
        if n
    ]
    named = {
        "label": ([*plan.task.classes], flow.classes),
        "age": (band_names(AGES, "years"), flow.ages),
        "sex": ([*SEXES], flow.sexes),
        "view": ([*VIEWS], flow.views),
        "maker": ([*MAKERS], flow.makers),
    }
    parts = [["images", *map(str, flow.images)], ["patients", *map(str, flow.patients)]]
    parts += [
        [f"{what}: {name}", *map(str, row)]
        for what, (names, rows) in named.items()
        for name, row in zip(names, rows, strict=True)
        if any(row)
    ]
    return [
        Table(["files that take no part", "files", "patients"], reasons),
        Table(["images by part", *STUDY_PARTS], parts),
    ]
