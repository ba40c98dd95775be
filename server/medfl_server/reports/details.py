"""Details behind the first table of scores, in a report and on a model card."""

from medfl_common.metrics.counts import merge
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_common.ui.page import Section
from medfl_server.reports.scores import score_counts_in, score_counts_of_groups
from medfl_server.reports.sections.calibration import calibration_section
from medfl_server.reports.sections.findings import findings_section
from medfl_server.reports.sections.groups import groups_section
from medfl_server.reports.sections.roc import roc_section
from medfl_server.reports.sections.thresholds import thresholds_section
from medfl_server.reports.sections.uncertainty import uncertainty_section


def detail_sections(event: Asked, plan: Plan) -> list[Section]:
    """List intervals, sites, curves, thresholds and groups, as far as the plan has them."""
    counted = score_counts_in(event)
    if not counted:
        return []
    whole = merge([*counted.values()])
    sections = [
        uncertainty_section(event, whole, plan),
        roc_section(whole, plan),
        calibration_section(whole, plan, len(counted)),
    ]
    if plan.task.type == "binary":
        sections.append(thresholds_section(whole, plan))
    if plan.evaluation.subgroups:
        sections.append(groups_section(score_counts_of_groups(event, plan), plan))
    if plan.task.type == "multilabel":
        sections.append(findings_section(whole, plan))
    return sections
