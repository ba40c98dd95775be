"""Sensitivity against specificity, and observed against predicted, over all sites."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from medfl_common.metrics.calibration import reliability
from medfl_common.metrics.curves import roc
from medfl_common.ui.page import line_figure
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.figures.drawing import Drawing, Lines, rows_of
from medfl_server.reports.scores import part_of
from medfl_server.reports.sections.roc import labelled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANCE, PERFECT = "chance", "perfect"
DIAGONAL = ([0.0, 1.0], [0.0, 1.0])


def score_drawings(facts: Facts) -> Iterator[Drawing]:
    """Draw the ROC and the reliability curve, where a network tells classes of whole images."""
    counts, shown = facts.counts, facts.shown
    if counts is None or shown is None:
        return
    curves, bins = Lines(), Lines()
    numbers = []
    for name, positive, negative in labelled(counts, facts.plan):
        if not (positive.any() and negative.any()):
            continue
        false, true = roc(positive, negative)
        curves[name] = (false.tolist(), true.tolist())
        groups = reliability(positive, negative)
        bins[name] = ([g.predicted for g in groups], [g.observed for g in groups])
        numbers += [
            [name, f"{g.predicted:.6g}", f"{g.observed:.6g}", str(int(g.n))] for g in groups
        ]
    if not curves:
        return
    where = f"the {part_of(shown)} part over all sites (n = {counts.n})"
    yield Drawing(
        "roc", f"Receiver operating characteristic on {where}, from score histograms.",
        partial(_square, {**curves, CHANCE: DIAGONAL}, "1 - specificity", "sensitivity", False),
        ["class", "false_positive_rate", "true_positive_rate"], rows_of(curves),
    )  # fmt: skip
    yield Drawing(
        "calibration",
        f"Observed against predicted in tenths of probability, on {where}.",
        partial(
            _square, {**bins, PERFECT: DIAGONAL}, "predicted probability",
            "fraction of positive images", True,
        ),
        ["class", "predicted", "observed", "images"], numbers,
    )  # fmt: skip


def _square(lines: Lines, x_label: str, y_label: str, marks: bool) -> "Figure":
    """Draw shares against shares, whose axes are equally long; the diagonal is thin and grey."""
    figure = line_figure(
        lines, x_label, y_label, [*lines], y_range=(-0.02, 1.02), marks=marks, whole_x=False
    )
    figure.set_size_inches(4.4, 4.8)
    (axes,) = figure.axes
    axes.set_xlim(-0.02, 1.02)
    axes.set_aspect("equal")
    diagonal = axes.lines[-1]
    diagonal.set(color="#7a8794", linestyle="-", linewidth=1, marker="")
    (legend,) = figure.legends
    legend.legend_handles[-1].set(color="#7a8794", linestyle="-", linewidth=1, marker="")  # type: ignore[union-attr]
    return figure
