"""The main score in a page's first sentence: its interval, and the sites that are not in it."""

from collections.abc import Mapping

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.counts import merge
from medfl_common.metrics.estimates import auc_estimate
from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_server.reports.scores import (
    box_counts_in,
    mask_counts_in,
    n_scored_in,
    score_counts_in,
)
from medfl_server.reports.sections.boxes import froc_in_words
from medfl_server.reports.sections.masks import dice_in_words
from medfl_server.reports.sections.numbers import interval_in_words


def main_score(plan: Plan) -> tuple[str, str]:
    """Name the score of a page's first sentence, and write its name."""
    if plan.task.has_boxes:
        return "froc", "FROC"
    return ("dice", "Dice") if plan.task.has_masks else ("auc", "AUC")


def second_score(plan: Plan) -> tuple[str, str]:
    """Name the score that stands beside it where there is room for two."""
    if plan.task.has_boxes:
        return "ap50", "AP50"
    return ("nsd", "NSD") if plan.task.has_masks else ("accuracy", "accuracy")


def main_interval(event: Asked, plan: Plan) -> str:
    """Write the 95 % interval of the AUC, Dice or FROC over all sites that shared scores."""
    if plan.task.has_masks:
        return dice_in_words(merge_masks([*mask_counts_in(event).values()]))[1]
    if plan.task.has_boxes:
        return froc_in_words(merge_boxes([*box_counts_in(event).values()]))[1]
    counted = score_counts_in(event)
    return interval_in_words(auc_estimate(merge([*counted.values()]), plan.task.type))


def who_shared_none(
    event: Asked, trained: Mapping[str, int], names: Mapping[str, str] | None = None
) -> str:
    """Name the sites that the scores leave out, and their share of the training images.

    Args:
        event: Whose scores the sentence is about.
        trained: Training images by site.
        names: What to call the sites; None: their names.
    """
    if event.pooled is not None:
        n, n_all = event.pooled.n_scoring, event.pooled.n_sites
        return f" Of {n_all} hospitals in the sum {n_all - n} shared no scores." * (n < n_all)
    absent = [site for site in trained if site not in n_scored_in(event)]
    total, missing = sum(trained.values()), sum(trained[site] for site in absent)
    if not absent:
        return ""
    whom = ", ".join((names or {}).get(site, site) for site in absent)
    share = f", with {missing / total:.0%} of the training images," if total else ""
    return f" {whom}{share} shared no scores."
