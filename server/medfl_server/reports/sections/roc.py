"""Sensitivity against specificity, all sites together."""

from typing import Any

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.curves import roc
from medfl_common.plan.plan import Plan
from medfl_common.ui.page import Section, line_plot


def roc_section(whole: ScoreCounts, plan: Plan) -> Section:
    """Draw a curve of each class or finding."""
    lines = {}
    for name, positive, negative in labelled(whole, plan):
        if positive.any() and negative.any():
            false, true = roc(positive, negative)
            lines[name] = (false.tolist(), true.tolist())
    image = line_plot(
        lines, "1 - specificity", "sensitivity", [*lines], y_range=(0, 1.02), marks=False
    )
    text = "All sites together. The diagonal is chance, the upper left corner is perfect."
    return Section("Sensitivity against specificity", [text], [image] if lines else [])


def labelled(whole: ScoreCounts, plan: Plan) -> list[tuple[str, Any, Any]]:
    """List (class or finding, positive, negative) of each curve."""
    names = plan.task.classes[-1:] if plan.task.type == "binary" else plan.task.classes
    return list(zip(names, whole.positive, whole.negative, strict=True))
