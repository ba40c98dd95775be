"""Every figure that a run's facts allow, in the order of a paper."""

from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.figures.curves import curve_drawings
from medfl_server.reports.paper.figures.dense import dense_drawings
from medfl_server.reports.paper.figures.drawing import Drawing
from medfl_server.reports.paper.figures.flow import flow_drawing
from medfl_server.reports.paper.figures.forest import forest_drawing
from medfl_server.reports.paper.figures.roc import score_drawings

# Names that figures have, as patterns: of a class or a score each has its own.
FIGURE_NAMES = ("flow", "forest", "roc", "calibration", "dice-*", "froc-*", "curve-*")


def drawings(facts: Facts) -> list[Drawing]:
    """List them; what no hospital told has none."""
    return [
        *flow_drawing(facts),
        *forest_drawing(facts),
        *score_drawings(facts),
        *dense_drawings(facts),
        *curve_drawings(facts),
    ]
