"""Details behind the first table of scores, in a report and on a model card."""

from medfl_common.metrics.counts import merge
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_common.ui.page import Section
from medfl_server.reports.basis import Basis
from medfl_server.reports.scores import part_of, score_counts_in, score_counts_of_groups
from medfl_server.reports.sections.boxes import box_details
from medfl_server.reports.sections.calibration import calibration_section
from medfl_server.reports.sections.findings import findings_section
from medfl_server.reports.sections.groups import groups_section
from medfl_server.reports.sections.masks import mask_details
from medfl_server.reports.sections.roc import roc_section
from medfl_server.reports.sections.thresholds import thresholds_section
from medfl_server.reports.sections.uncertainty import uncertainty_section


def detail_sections(event: Asked, choosing: Asked, plan: Plan) -> list[Section]:
    """List intervals, sites, curves, thresholds and groups, as far as the plan has them.

    Args:
        event: Whose scores are shown.
        choosing: The scores that choose temperature and thresholds.
        plan: The study's.
    """
    if plan.task.has_masks:
        return mask_details(event, plan)
    if plan.task.has_boxes:
        return box_details(event, plan)
    counted, chosen = score_counts_in(event), score_counts_in(choosing)
    if not counted:
        return []
    whole = merge([*counted.values()])
    basis = Basis(merge([*chosen.values()]) if chosen else None, part_of(choosing), part_of(event))
    sections = [
        uncertainty_section(event, whole, plan),
        roc_section(whole, plan),
        calibration_section(whole, basis, plan),
    ]
    if plan.task.type == "binary":
        sections.append(thresholds_section(whole, basis, plan))
    if plan.evaluation.subgroups:
        sections.append(groups_section(score_counts_of_groups(event, plan), plan))
    if plan.task.type == "multilabel":
        sections.append(findings_section(whole, plan))
    return sections
