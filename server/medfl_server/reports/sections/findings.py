"""A multilabel model, finding by finding."""

from medfl_common.metrics.clusters import of_class
from medfl_common.metrics.counts import ScoreCounts, confusion_scores
from medfl_common.metrics.estimates import auc_estimate
from medfl_common.plan.plan import Plan
from medfl_common.ui.page import Section, Table
from medfl_server.reports.sections.numbers import number, with_interval


def findings_section(whole: ScoreCounts, plan: Plan) -> Section:
    """Score each finding on the images with a known label."""
    rows = []
    for i, name in enumerate(plan.task.classes):
        one = ScoreCounts(
            int(whole.confusion[i].sum()), 0.0, whole.confusion[i],
            whole.positive[i : i + 1], whole.negative[i : i + 1], of_class(whole.clusters, i),
            whole.noise,
        )  # fmt: skip
        rates = confusion_scores(one)
        cells = [number(rates[k], one.n) for k in ("recall", "specificity", "f1")]
        rows.append([name, str(one.n), *with_interval(auc_estimate(one, "binary")), *cells])
    header = ["finding", "known of", "AUC", "95 % interval", "sensitivity", "specificity", "F1"]
    return Section("Finding by finding", tables=[Table(header, rows)])
