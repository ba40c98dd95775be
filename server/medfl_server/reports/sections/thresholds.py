"""Scores at other thresholds."""

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.curves import rates_at, sensitivity_at, youden_threshold
from medfl_common.metrics.enough import FEWEST_IMAGES, FEWEST_OF_A_CLASS, digits, is_enough
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import read_scores
from medfl_common.ui.page import Section, Table
from medfl_server.reports.basis import Basis
from medfl_server.reports.sections.numbers import number

TOO_FEW = (
    f"The page names no threshold: {{n}} images are too few to choose one. It takes "
    f"{FEWEST_IMAGES}, and {FEWEST_OF_A_CLASS} of each class."
)


def thresholds_section(whole: ScoreCounts, basis: Basis, plan: Plan) -> Section:
    """Compare the aims that a threshold may have."""
    chosen_on = basis.counts
    if chosen_on is None or not is_enough(chosen_on):
        n = 0 if chosen_on is None else chosen_on.n
        return Section("Which threshold?", [TOO_FEW.format(n=n)])
    reading = read_scores(chosen_on, plan, 1)
    at = sensitivity_at(chosen_on.positive[0], chosen_on.negative[0], plan.evaluation.specificity)
    best = youden_threshold(chosen_on.positive[0], chosen_on.negative[0])
    positive, negative = whole.positive[0], whole.negative[0]
    chosen = [("largest sensitivity + specificity (Youden)", best, reading.youden)]
    wish = f"specificity of at least {plan.evaluation.specificity:g}"
    chosen.append((wish, None if at is None else at[1], reading.at_specificity))
    rows = []
    for words, odds, chance in chosen:
        if odds is None or chance is None:
            continue
        rates = rates_at(positive, negative, odds)
        values = (rates.sensitivity, rates.specificity, rates.precision)
        n = whole.n
        rows.append([words, f"{chance:.{digits(n)}f}", *(number(value, n) for value in values)])
    header = ["aim", "threshold", "sensitivity", "specificity", "precision"]
    text = (
        f"Scores at other thresholds. {basis.in_words}; the study's own threshold is "
        f"{plan.evaluation.threshold:g}."
    )
    return Section("Which threshold?", [text], tables=[Table(header, rows)])
