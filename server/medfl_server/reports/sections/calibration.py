"""Do the model's probabilities match the observed frequencies?"""

from medfl_common.metrics.calibration import reliability
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.enough import FEWEST_IMAGES, FEWEST_OF_A_CLASS
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import read_scores
from medfl_common.ui.page import Section, line_plot
from medfl_server.reports.basis import Basis
from medfl_server.reports.sections.roc import labelled


def calibration_section(whole: ScoreCounts, basis: Basis, plan: Plan) -> Section:
    """Draw observed against predicted, and give the temperature that fits best."""
    lines: dict[str, tuple[list[float], list[float]]] = {"perfect": ([0.0, 1.0], [0.0, 1.0])}
    for name, positive, negative in labelled(whole, plan):
        groups = reliability(positive, negative)
        lines[name] = ([g.predicted for g in groups], [g.observed for g in groups])
    image = line_plot(
        lines, "predicted probability", "fraction of positive images", [*lines], y_range=(0, 1.02),
        whole_x=False,
    )  # fmt: skip
    found = read_scores(basis.counts, plan, 1).temperature
    n = 0 if basis.counts is None else basis.counts.n
    advice = (
        f"The page names no temperature: it takes {FEWEST_IMAGES} images, and {FEWEST_OF_A_CLASS} "
        f"of each class; {n} {basis.chosen_on} images were scored."
        if found is None
        else f"Dividing the log-odds by {found:.2f} makes the probabilities fit best; "
        f"the model is {'overconfident' if found > 1 else 'underconfident'} by that factor."
    )
    return Section("Do its probabilities mean what they say?", [advice], [image])
