"""The final model by groups of patients."""

from collections.abc import Mapping

from medfl_common.metrics.counts import ScoreCounts, confusion_scores
from medfl_common.metrics.estimates import auc_estimate
from medfl_common.plan.plan import Plan
from medfl_common.ui.page import Section, Table
from medfl_server.reports.sections.numbers import number, with_interval


def groups_section(groups: Mapping[str, Mapping[str, ScoreCounts]], plan: Plan) -> Section:
    """Score each group that the plan asks for."""
    tables = []
    header = ["group", "images", "AUC", "95 % interval", "sensitivity", "specificity"]
    for kind in plan.evaluation.subgroups:
        rows = []
        for name, score_counts in groups.get(kind, {}).items():
            area, rates = auc_estimate(score_counts, plan.task.type), confusion_scores(score_counts)
            cells = [number(rates[k], score_counts.n) for k in ("recall", "specificity")]
            rows.append([name, str(score_counts.n), *with_interval(area), *cells])
        tables.append(Table(header, rows or [["none released", *[""] * 5]], caption=f"by {kind}"))
    text = (
        "The final model by groups of patients. A site reports a group only if it is large and "
        "if nobody can compute a small group from the others; a policy may forbid it."
    )
    return Section("Is it as good for everyone?", [text], tables=tables)
