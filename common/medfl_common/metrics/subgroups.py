"""Groups of patients for scores of the final model, and which of their counts may leave."""

from collections.abc import Mapping, Sequence

import numpy as np

from medfl_common.metrics.counts import Counts, ScoreCounts
from medfl_common.metrics.site_statistics import AGES, SEXES, band_names
from medfl_common.plan.plan import Plan

KINDS = ("sex", "age", "manufacturer")
OTHERS = "others or not known"
Groups = Mapping[
    str, Sequence[ScoreCounts]
]  # kind -> score counts per group, empty if a site reports nothing


def group_names(plan: Plan) -> dict[str, list[str]]:
    """Name the groups of each kind that the plan asks for, in a fixed order."""
    names = {
        "sex": [*SEXES],
        "age": band_names(AGES, "years"),
        "manufacturer": [*plan.evaluation.manufacturers, OTHERS],
    }
    return {kind: names[kind] for kind in plan.evaluation.subgroups}


def score_counts_of_group(confusion: Counts, positive: Counts, negative: Counts) -> ScoreCounts:
    """Make the score counts of a group, without loss. Multilabel: n is of the best known one."""
    per_finding = confusion.sum(axis=(1, 2)).max() if confusion.ndim == 3 else confusion.sum()
    return ScoreCounts(int(per_finding), 0.0, confusion, positive, negative)


def empty_score_counts(like: ScoreCounts) -> ScoreCounts:
    """Give score counts without images."""
    confusion, positive, negative = (
        np.zeros_like(counts) for counts in (like.confusion, like.positive, like.negative)
    )
    return ScoreCounts(0, 0.0, confusion, positive, negative)


def suppressed_groups(
    groups: Groups, whole: ScoreCounts, min_cell: int
) -> dict[str, list[ScoreCounts]]:
    """Remove groups with few images of a class, and groups that would reveal them.

    A group stays if every class that occurs at the site has at least `min_cell` of its images. The
    whole without the groups that stay must be empty or pass the same test; until it does, the
    smallest remaining group goes too. So nobody can compute a small group by subtraction.
    """
    return {kind: _suppress(score_counts, whole, min_cell) for kind, score_counts in groups.items()}


def _suppress(
    score_counts: Sequence[ScoreCounts], whole: ScoreCounts, min_cell: int
) -> list[ScoreCounts]:
    sizes, all_of_them = (
        [_by_class(score_counts) for score_counts in score_counts],
        _by_class(whole),
    )
    occurs = all_of_them > 0
    kept = {i for i, size in enumerate(sizes) if (size[occurs] >= min_cell).all()}
    while kept:
        rest = all_of_them - sum(sizes[i] for i in kept)
        if not rest.any() or (rest[occurs] >= min_cell).all():
            break
        kept.remove(min(kept, key=lambda i: (score_counts[i].n, i)))
    return [
        score_counts if i in kept else empty_score_counts(whole)
        for i, score_counts in enumerate(score_counts)
    ]


def _by_class(score_counts: ScoreCounts) -> Counts:
    """Count images by true class; multilabel: those without and with each finding."""
    counts: Counts = score_counts.confusion.sum(axis=-1).ravel()
    return counts
