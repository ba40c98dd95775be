"""Scores at other thresholds."""

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.curves import rates_at, sensitivity_at, youden_threshold
from medfl_common.metrics.enough import FEWEST_IMAGES, FEWEST_OF_A_CLASS, digits, is_enough
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import read_scores
from medfl_common.ui.page import Section, Table
from medfl_server.reports.sections.numbers import number

TOO_FEW = (
    f"The page names no threshold: {{n}} images are too few to choose one. It takes "
    f"{FEWEST_IMAGES}, and {FEWEST_OF_A_CLASS} of each class."
)


def thresholds_section(whole: ScoreCounts, plan: Plan) -> Section:
    """Compare the aims that a threshold may have."""
    if not is_enough(whole):
        return Section("Which threshold?", [TOO_FEW.format(n=whole.n)])
    positive, negative = whole.positive[0], whole.negative[0]
    reading = read_scores(whole, plan, 1)
    at = sensitivity_at(positive, negative, plan.evaluation.specificity)
    best = youden_threshold(positive, negative)
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
        "Scores at other thresholds on the same images. The same images chose the thresholds, so "
        f"they look slightly too good; the study's own threshold is {plan.evaluation.threshold:g}."
    )
    return Section("Which threshold?", [text], tables=[Table(header, rows)])
