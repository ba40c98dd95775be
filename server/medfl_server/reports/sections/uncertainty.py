"""Uncertainty of the scores: intervals, the histograms' bound, differences of the sites."""

import math

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.curves import auc_with_bound
from medfl_common.metrics.enough import DIGITS, FEWEST_IMAGES
from medfl_common.metrics.estimates import estimates, spread
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_common.ui.page import Section, Table
from medfl_server.reports.scores import ALL, score_counts_in, score_sites
from medfl_server.reports.sections.independence import whose_images
from medfl_server.reports.sections.numbers import number, with_interval

NAMES = {
    "auc": "AUC (ROC)",
    "pr_auc": "AUC (precision-recall)",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "precision": "precision",
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "f1": "F1",
    "kappa": "Cohen's kappa",
    "sensitivity_at_specificity": "sensitivity at a specificity of {specificity:g}",
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
}

LOWER = (
    " Over all sites it is lower than at each: one order of all images suffers where the model's "
    "scores of one site lie higher than those of another."
)


def uncertainty_section(event: Asked, whole: ScoreCounts, plan: Plan) -> Section:
    """List the scores over all sites with their intervals, and say what these ignore."""
    whose = _noisy(whole) if whole.noise else whose_images(score_counts_in(event))
    texts = [_bound(whole), whose, _differ(event)]
    return Section("How sure are these scores?", texts, tables=[score_table(whole, plan)])


def score_table(score_counts: ScoreCounts, plan: Plan, of: str = ALL) -> Table:
    """List every score over some sites with its 95 % interval."""
    found = estimates(score_counts, plan.task.type, plan.evaluation.specificity)
    rows = []
    for name, estimate in found.items():
        words = NAMES[name].format(specificity=plan.evaluation.specificity)
        if name == "kappa" and plan.task.type == "ordinal":
            words = "Cohen's kappa, quadratic"
        rows.append([words, *with_interval(estimate)])
    caption = f"{of}, n = {score_counts.n}"
    return Table(["score", "value", "95 % interval"], rows, caption=caption)


def _noisy(whole: ScoreCounts) -> str:
    return (
        "What is counted are patients, each once, however many images one has. Every count has "
        f"noise (privacy.noise.scores), of a standard deviation of {math.sqrt(whole.noise):.2g} in "
        "each bin of a score, all sites together; the intervals hold it. Counts below 0 became 0, "
        "which pulls the AUC towards 0.5 where patients are few."
    )


def _bound(whole: ScoreCounts) -> str:
    pairs = zip(whole.positive, whole.negative, strict=True)
    bounds = [found[1] for p, n in pairs if (found := auc_with_bound(p, n)) is not None]
    widest = f"at most {max(bounds):.2g}" if bounds else "not known"
    return (
        f"The scores come from histograms; by their bins the AUC may be off by {widest}, and its "
        "interval holds that. "
        f"A score of fewer than {DIGITS[0][0]} images has {DIGITS[0][1]} digit after the point, "
        f"of fewer than {DIGITS[1][0]} images {DIGITS[1][1]}."
    )


def _differ(event: Asked) -> str:
    if event.pooled is not None:
        return "The sites told their counts as a sum, so the page does not say how they differ."
    known = {s: one for s, one in score_sites(event).items() if s != ALL and one.n >= FEWEST_IMAGES}
    areas = {s: area for s, one in known.items() if (area := one.values["auc"]) is not None}
    found = spread(areas)
    if found is None or len(areas) < 2:
        return (
            f"Fewer than two sites have an AUC of {FEWEST_IMAGES} images or more, so the page does "
            "not say how sites differ."
        )
    whole = score_sites(event)[ALL].values["auc"]
    lower = LOWER if whole is not None and whole < found.lowest else ""
    deviation = number(found.deviation, min(one.n for one in known.values()))
    return (
        f"The sites differ: AUC {known[found.worst].text('auc')} at {found.worst} (the worst) to "
        f"{known[found.best].text('auc')} at {found.best}, standard deviation {deviation}.{lower}"
    )
