"""Groups of patients by which the final model is scored, and which of their counts may leave."""

from collections.abc import Mapping, Sequence

import numpy as np

from medfl_common.metrics.counts import Counts, Tally
from medfl_common.metrics.site_statistics import AGES, SEXES, band_names
from medfl_common.plan.plan import Plan

KINDS = ("sex", "age", "manufacturer")
OTHERS = "others or not known"
Groups = Mapping[str, Sequence[Tally]]  # kind -> one tally per group, empty where nothing is told


def group_names(plan: Plan) -> dict[str, list[str]]:
    """Name the groups of each kind that the plan asks for, in a fixed order."""
    names = {
        "sex": [*SEXES],
        "age": band_names(AGES, "years"),
        "manufacturer": [*plan.evaluation.manufacturers, OTHERS],
    }
    return {kind: names[kind] for kind in plan.evaluation.subgroups}


def tally_of_counts(confusion: Counts, positive: Counts, negative: Counts) -> Tally:
    """Make the tally of a group; its loss is not told. Multilabel: n is of the best known one."""
    per_finding = confusion.sum(axis=(1, 2)).max() if confusion.ndim == 3 else confusion.sum()
    return Tally(int(per_finding), 0.0, confusion, positive, negative)


def empty_tally(like: Tally) -> Tally:
    """Give a tally without images."""
    zeros = [np.zeros_like(counts) for counts in (like.confusion, like.positive, like.negative)]
    return Tally(0, 0.0, *zeros)


def suppressed_groups(groups: Groups, whole: Tally, min_cell: int) -> dict[str, list[Tally]]:
    """Take out groups with few images of a class, and those by which they could be worked out.

    A group stays if every class that occurs at the site has at least `min_cell` of its images. What
    is left of the whole without the groups that stay must be nothing or pass the same test; until
    it does, the smallest group that is left goes too. So no small group follows by subtraction.
    """
    return {kind: _suppress(tallies, whole, min_cell) for kind, tallies in groups.items()}


def _suppress(tallies: Sequence[Tally], whole: Tally, min_cell: int) -> list[Tally]:
    sizes, all_of_them = [_by_class(tally) for tally in tallies], _by_class(whole)
    occurs = all_of_them > 0
    kept = {i for i, size in enumerate(sizes) if (size[occurs] >= min_cell).all()}
    while kept:
        rest = all_of_them - sum(sizes[i] for i in kept)
        if not rest.any() or (rest[occurs] >= min_cell).all():
            break
        kept.remove(min(kept, key=lambda i: (tallies[i].n, i)))
    return [tally if i in kept else empty_tally(whole) for i, tally in enumerate(tallies)]


def _by_class(tally: Tally) -> Counts:
    """Count images by true class; multilabel: those without and with each finding."""
    counts: Counts = tally.confusion.sum(axis=-1).ravel()
    return counts
