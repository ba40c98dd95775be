"""What leaves of a segmentation's scores: cases are counted, and few of them tell nothing."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.box_estimates import EFFECT_STEPS
from medfl_common.metrics.counts import Counts
from medfl_common.metrics.mask_counts import (
    ABSENT,
    EXTRA,
    FALSE_ALARM,
    HISTOGRAMS,
    HIT,
    IN_TRUTH,
    MISSED,
    N_CASE_BINS,
    N_COARSE_CASE_BINS,
    NO_SURFACE,
    PATIENTS,
    SUMMED,
    MaskCounts,
    case_bin_places,
    coarser_masks,
)
from medfl_common.metrics.mask_effects import mask_effects
from medfl_common.metrics.mask_estimates import MEANS, middles_of_means
from medfl_common.metrics.mask_numbers import EFFECTS, HUNDREDTHS, PREFIX

# the bins of a mean in which all cases are alike: nothing is found, or nothing is off
ALIKE = {"dice": (0,), "nsd": (0,), "hd95": (0, NO_SURFACE)}
PARTS = ("voxels", "lesions")


def released_masks(counts: MaskCounts, min_cell: int, is_scoring: bool) -> MaskCounts | None:
    """Take out what few cases would tell; None: of no class enough is left.

    A class stays where each of both is no case or at least `min_cell`: those with it, and those
    without. Bins are joined to such cells, in the rounds fewer than in the last scorings; with
    fewer false alarms, or cases without one, the cases without the class are left out. Voxels and
    loss have three digits.
    Voxels, lesions and design effects leave with the last scorings only, effects of at least
    `min_cell` patients and in coarse steps; what fewer cases have of them counts
    as not seen. Where all but so few cases are alike, a mean is that of the joined bins.
    """
    stays = np.array([not is_small(row[:FALSE_ALARM], min_cell).any() for row in counts.cases])
    stays &= counts.cases[:, :FALSE_ALARM].any(axis=1)
    if counts.n < min_cell or not stays.any():
        return None
    kept = {name: getattr(counts, name) * stays[:, None] for name in SUMMED}
    for name in PARTS:
        kept[name] = _of_enough(kept, name, min_cell) if is_scoring else kept[name] * 0
    kept["voxels"] = _three_digits(kept["voxels"])
    kept["cases"] = _alarms_of_enough(kept["cases"], min_cell)
    if not kept["cases"].any():
        return None
    n_bins = N_CASE_BINS if is_scoring else N_COARSE_CASE_BINS
    whole = MaskCounts(counts.n, float(f"{counts.loss:.3g}"), **kept)
    found = _means_of_enough(whole, coarser_masks(whole, n_bins, min_cell), min_cell)
    if not is_scoring or counts.found is None:
        return found
    return replace(found, effects=mask_effects(counts.found, min_cell) * stays[:, None])


def check_masks(told: dict[str, Counts], min_cell: int, is_round: bool) -> str:
    """Say what in a message's lists is of few cases; empty: nothing is."""
    cases = told[PREFIX + "cases"]
    quiet = cases[:, ABSENT] - cases[:, FALSE_ALARM]
    if is_small(cases, min_cell).any() or is_small(quiet, min_cell).any():
        return "the scores of a class with few cases"
    if any(told[PREFIX + name][cases[:, IN_TRUTH] == 0].any() for name in PARTS):
        return "the voxels or lesions of images without their class"
    if is_round and any(told[PREFIX + name].any() for name in PARTS):
        return "the voxels or lesions of a round"
    if EFFECTS in told and (why := _unfit_effects(told[EFFECTS], min_cell, is_round)):
        return why
    for name in HISTOGRAMS:
        if is_small(told[PREFIX + name], min_cell).any():
            return "a bin of a histogram with few cases"
        told_apart = [NO_SURFACE] if name == "hd95" else []
        places = [*case_bin_places(N_COARSE_CASE_BINS), *told_apart]
        others = np.delete(told[PREFIX + name], places, axis=1)
        if is_round and others.any():
            return f"a histogram of a round in more than {N_COARSE_CASE_BINS} bins"
    return ""


def _unfit_effects(told: Counts, min_cell: int, is_round: bool) -> str:
    """Say what is wrong with design effects; empty: nothing is."""
    if is_round:
        return "design effects beside an update"
    if is_small(told[:, PATIENTS], min_cell).any():
        return "design effects of few patients"
    if not np.isin(told[:, 1:], [0, *(HUNDREDTHS * np.array(EFFECT_STEPS))]).all():
        return "effects finer than their steps"
    return ""


def is_small(counts: Counts, min_cell: int) -> NDArray[np.bool_]:
    """Say where a count is of somebody, and of fewer than the smallest cell."""
    return np.asarray((counts > 0) & (counts < min_cell))


def _of_enough(kept: dict[str, Counts], name: str, min_cell: int) -> Counts:
    """Count as missed what too few cases have found; leave out their excess, and that of none."""
    rows, n = kept[name].copy(), kept["cases"][:, IN_TRUTH]
    is_seen_by_few = is_small(n - kept["hd95"][:, NO_SURFACE], min_cell)
    is_few = is_seen_by_few | is_small(n - kept["dice"][:, 0], min_cell)
    rows[is_few, MISSED] += rows[is_few, HIT]
    rows[is_few, HIT] = 0
    rows[is_seen_by_few | (n == 0), EXTRA] = 0
    return rows


def _means_of_enough(whole: MaskCounts, joined: MaskCounts, min_cell: int) -> MaskCounts:
    """Take a mean from its joined bins where it would tell of the few cases that differ.

    Its deviation is then the greatest that values from 0 to 1 can have.
    """
    sums, squares, n = joined.sums.copy(), joined.squares.copy(), whole.cases[:, IN_TRUTH]
    for name, column in MEANS:
        others = [n - getattr(whole, name)[:, place] for place in ALIKE[name]]
        is_few = np.any([is_small(one, min_cell) for one in others], axis=0)
        by_bins = getattr(joined, name) @ middles_of_means(name)
        sums[:, column] = np.where(is_few, by_bins, sums[:, column])
        squares[:, column] = np.where(is_few, by_bins, squares[:, column])
    return replace(joined, sums=sums, squares=squares)


def _alarms_of_enough(cases: Counts, min_cell: int) -> Counts:
    """Leave out the cases without a class where few of them are seen, or few are not."""
    found, alarms = cases.copy(), cases[:, FALSE_ALARM]
    is_few = is_small(alarms, min_cell) | is_small(cases[:, ABSENT] - alarms, min_cell)
    found[is_few, ABSENT] = found[is_few, FALSE_ALARM] = 0
    return found


def _three_digits(counts: Counts) -> Counts:
    return np.array([[int(float(f"{n:.3g}")) for n in row] for row in counts.tolist()])
