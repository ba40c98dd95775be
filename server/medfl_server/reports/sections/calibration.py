"""Do the model's probabilities match the observed frequencies?"""

from medfl_common.metrics.calibration import RANGE, Temperature, reliability
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.enough import FEWEST_IMAGES, FEWEST_OF_A_CLASS
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading, read_scores
from medfl_common.ui.page import Section, line_plot
from medfl_server.reports.basis import Basis
from medfl_server.reports.sections.roc import labelled


def calibration_section(whole: ScoreCounts, basis: Basis, plan: Plan) -> Section:
    """Draw observed against predicted, and give the temperature that fits best."""
    text = advice(read_scores(basis.counts, plan, 1), basis.chosen_on)
    picture = reliability_plot(whole, plan)
    return Section("Do its probabilities mean what they say?", [text], [picture])


def reliability_plot(whole: ScoreCounts, plan: Plan) -> str:
    """Draw observed against predicted, for each class or finding, as SVG."""
    lines: dict[str, tuple[list[float], list[float]]] = {"perfect": ([0.0, 1.0], [0.0, 1.0])}
    for name, positive, negative in labelled(whole, plan):
        groups = reliability(positive, negative)
        lines[name] = ([g.predicted for g in groups], [g.observed for g in groups])
    return line_plot(
        lines, "predicted probability", "fraction of positive images", [*lines], y_range=(0, 1.02),
        whole_x=False,
    )  # fmt: skip


def advice(reading: Reading, part: str) -> str:
    """Say by what to divide, and where few images or the bound hold the number back."""
    found, fitted = reading.temperature, reading.fitted_temperature
    n = reading.n_images
    if found is None or fitted is None:
        return (
            f"The page names no temperature: it takes {FEWEST_IMAGES} images, and "
            f"{FEWEST_OF_A_CLASS} of each class; {n} {part} images were scored."
        )
    held = (
        f" The {n} {part} images alone would say {fitted:.2f}; so few are believed in part only, "
        f"and the number is drawn towards 1, within {RANGE[0]:g} to {RANGE[1]:g}."
        if Temperature(found, fitted).is_held
        else ""
    )
    return (
        f"Dividing the log-odds by {found:.2f} makes the probabilities fit best; "
        f"the model is {'overconfident' if found > 1 else 'underconfident'} by that factor.{held}"
    )
