"""Scores at other thresholds."""

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.curves import rates_at
from medfl_common.metrics.enough import FEWEST_IMAGES, FEWEST_OF_A_CLASS, digits, is_enough
from medfl_common.metrics.operating_points import PULL, fewest_negative, in_log_odds
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading, read_scores
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
    reading, n = read_scores(chosen_on, plan, 1), whole.n
    specificity = plan.evaluation.specificity
    chosen = [
        ("largest sensitivity + specificity (Youden)", reading.youden),
        (f"specificity of at least {specificity:g}", reading.at_specificity),
    ]
    rows = []
    for words, chance in chosen:
        if chance is None:
            continue
        rates = rates_at(whole.positive[0], whole.negative[0], in_log_odds(chance))
        values = (rates.sensitivity, rates.specificity, rates.precision)
        rows.append([words, f"{chance:.{digits(n)}f}", *(number(value, n) for value in values)])
    header = ["aim", "threshold", "sensitivity", "specificity", "precision"]
    text = (
        f"Scores at other thresholds. {basis.in_words}; the study's own threshold is "
        f"{plan.evaluation.threshold:g}. Youden's is drawn towards that one, as if by {PULL} more "
        "images of each class. Hospitals tell scores in bins and join bins of few images, so these "
        "rates can differ a little from those that are counted at the study's own threshold."
    )
    texts = [text, _promise(chosen_on, reading, specificity)]
    return Section("Which threshold?", texts, tables=[Table(header, rows)])


def _promise(chosen_on: ScoreCounts, reading: Reading, specificity: float) -> str:
    """Say what the threshold of a specificity promises, or why the page names none."""
    n, fewest = int(chosen_on.negative[0].sum()), fewest_negative(specificity)
    if reading.at_specificity is not None:
        return (
            f"Of new negative images like these, {specificity:.4g} or more are expected below the "
            "threshold of the specificity (split conformal)."
        )
    if n < fewest:
        return (
            f"The page names no threshold of a specificity of {specificity:g}: {n} negative images "
            f"are too few to promise it for others. It takes {fewest}."
        )
    return (
        f"The page names no threshold of a specificity of {specificity:g}: too many negative "
        "images have the highest scores."
    )
