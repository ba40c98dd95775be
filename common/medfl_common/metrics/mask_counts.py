"""A segmentation's scores from what may leave a hospital: sums and histograms over cases, no mask.

A case is an image with its mask. Arrays have a row for each foreground class (F). A histogram
counts the cases whose truth has the class; cases without it stand apart, in `cases`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.counts import Counts

N_CASE_BINS = 50  # bins of each histogram
N_COARSE_CASE_BINS = 10  # so many of them are used in the rounds
SHORTEST_MM, LONGEST_MM = 0.1, 1000.0  # of the bins of HD95; one below, one for no surface
NO_SURFACE = N_CASE_BINS - 1  # the bin of the truth that the prediction has nothing of
MOST_OFF = 1.0  # volume difference over the truth's volume, -1..1; the last bin takes more
IN_TRUTH, ABSENT, FALSE_ALARM = range(3)  # columns of `cases`
HIT, EXTRA, MISSED = range(3)  # columns of `voxels` and `lesions`: TP, FP, FN
DICE, NSD, DISTANCE = range(3)  # columns of `sums` and `squares`
HISTOGRAMS = ("dice", "nsd", "hd95", "volume")
# The scores that have a design effect, in the order of the columns of `effects` after the patients.
MASK_EFFECTS = ("dice", "nsd", "hd95", "volume", "lesion_sensitivity", "false_alarms")
PATIENTS, EFFECTS = 0, [*range(1, 1 + len(MASK_EFFECTS))]
SUMMED = ("voxels", "lesions", "cases", *HISTOGRAMS, "sums", "squares")


@dataclass(frozen=True)
class CaseScores:
    """The scores of N cases one by one, which stay at their hospital.

    patient: (N,) who it is of.
    values: (N, F, 4) Dice, NSD, place of HD95 and volume difference; NaN without the class.
    lesions: (N, F, 2) found and missed.
    alarms: (N, F) 1: seen where it is not, 0: not; NaN with the class, or where nobody knows.
    """

    patient: Counts
    values: NDArray[np.float64]
    lesions: NDArray[np.float64]
    alarms: NDArray[np.float64]


@dataclass(frozen=True)
class MaskCounts:
    """One segmentation model scored on one set of cases, as counts that add up.

    Voxels and lesions are of the cases with the class; those without have `cases` alone.

    voxels: (F, 3) voxels in both, in the prediction only, in the truth only.
    lesions: (F, 3) connected components: of the truth and found, of the prediction and none of
        the truth, of the truth and missed; found is an overlap (IoU) of at least 0.1.
    cases: (F, 3) with the class in the truth, without it, and of those without it the ones in
        which the model sees it. A case of which nobody says whether it has the class is in none.
    dice, nsd: (F, N_CASE_BINS) over 0..1. Dice 1945; normalised surface Dice, Nikolov et al. 2021.
    hd95: (F, N_CASE_BINS) 95th percentile of the surface distance; see `distance_places`.
    volume: (F, N_CASE_BINS) predicted minus true volume over the true one, -1..1.
    sums: (F, 3) Dice, NSD and `distance_places` added up over the cases with the class.
    squares: (F, 3) the same of their squares.
    effects: (F, 1 + 6) the patients with the class, 0: not told, then the design effect of each
        of MASK_EFFECTS, 0: too few patients; None: nobody tells them.
    found: The cases themselves, where they are.
    """

    n: int  # cases
    loss: float  # mean loss per case
    voxels: Counts
    lesions: Counts
    cases: Counts
    dice: Counts
    nsd: Counts
    hd95: Counts
    volume: Counts
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    effects: NDArray[np.float64] | None = None
    found: CaseScores | None = None


def empty_mask_counts(n_classes: int) -> MaskCounts:
    """Give the counts of no case."""
    three, many = (n_classes, 3), (n_classes, N_CASE_BINS)
    voxels, lesions, cases = (np.zeros(three, np.int64) for _ in range(3))
    dice, nsd, hd95, volume = (np.zeros(many, np.int64) for _ in range(4))
    sums, squares = np.zeros(three), np.zeros(three)
    return MaskCounts(0, 0.0, voxels, lesions, cases, dice, nsd, hd95, volume, sums, squares)


def merge_masks(parts: Sequence[MaskCounts]) -> MaskCounts:
    """Add up the counts of disjoint sets of patients; weight the loss by cases."""
    n = sum(part.n for part in parts)
    loss = sum(part.loss * part.n for part in parts) / max(n, 1)
    whole = MaskCounts(n, loss, *(np.sum([getattr(p, k) for p in parts], axis=0) for k in SUMMED))
    return replace(whole, effects=_joined_effects([part for part in parts if part.n]))


def _joined_effects(parts: Sequence[MaskCounts]) -> NDArray[np.float64] | None:
    """Take the mean by cases of the sets that tell one, which stands for the others.

    Patients are added up where every set with the class tells them.
    """
    told = [(part, part.effects) for part in parts if part.effects is not None]
    if not told:
        return None
    effects = np.stack([own for _, own in told])
    cases = np.stack([part.cases for part, _ in told])
    weights = np.repeat(cases[:, :, [IN_TRUTH]], effects.shape[2], axis=2)
    weights[:, :, -1] = cases[:, :, ABSENT]
    weights = weights * (effects > 0)
    found = (effects * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1)
    has_class = np.stack([part.cases[:, IN_TRUTH] > 0 for part in parts])
    tells = np.stack([part.cases[:, IN_TRUTH] * 0 if part.effects is None
                      else part.effects[:, PATIENTS] for part in parts])  # fmt: skip
    is_told = (~has_class | (tells > 0)).all(axis=0)
    found[:, PATIENTS] = np.where(is_told, tells.sum(axis=0), 0)
    return np.asarray(found)


def share_bins(values: NDArray[np.float64]) -> Counts:
    """Number the bins of values of 0..1."""
    return _clipped(values * N_CASE_BINS)


def volume_bins(off: NDArray[np.float64]) -> Counts:
    """Number the bins of volume differences, as parts of the true volume; 0 is amid its bin."""
    return _clipped((off / MOST_OFF + 1) / 2 * N_CASE_BINS + 0.5)


def distance_places(mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place distances on a logarithmic scale: 0 up to SHORTEST_MM, 1 from LONGEST_MM on."""
    clipped = np.clip(mm, SHORTEST_MM, LONGEST_MM)
    return np.asarray(np.log(clipped / SHORTEST_MM) / np.log(LONGEST_MM / SHORTEST_MM))


def distance_of(place: float) -> float:
    """Give the distance in mm at a place of 0..1."""
    return float(SHORTEST_MM * (LONGEST_MM / SHORTEST_MM) ** place)


def distance_bins(mm: NDArray[np.float64]) -> Counts:
    """Number the bins of distances: the first up to SHORTEST_MM, then logarithmic, then none."""
    inner = NO_SURFACE - 1
    found = 1 + np.minimum(np.floor(distance_places(mm) * inner), inner - 1)
    return np.where(np.isinf(mm), NO_SURFACE, np.where(mm <= SHORTEST_MM, 0, found)).astype(
        np.int64
    )


def coarser_masks(counts: MaskCounts, n_bins: int, min_cell: int) -> MaskCounts:
    """Put the histograms into fewer bins, each with no case or at least `min_cell`.

    From the lowest on, bins are joined until they hold so many cases; what is left over goes to the
    last. Joined cases stand in the bin of their mean. Enough cases without a surface stay apart.
    The finest bins are joined within what those of N_COARSE_CASE_BINS would be, so that answers in
    both, subtracted, tell of no fewer cases.
    """
    width = N_CASE_BINS // n_bins
    joined = {
        name: np.stack([
            (_distances_joined if name == "hd95" else _joined)(row, width, min_cell)
            for row in getattr(counts, name)
        ])
        for name in HISTOGRAMS
    }  # fmt: skip
    return replace(counts, **joined)  # type: ignore[arg-type]


def case_bin_places(n_bins: int) -> Counts:
    """Give the places, 0..N_CASE_BINS - 1, in which `n_bins` coarser bins stand."""
    width = N_CASE_BINS // n_bins
    return np.arange(n_bins) * width + width // 2


def _distances_joined(row: Counts, width: int, min_cell: int) -> Counts:
    unseen, seen = row.copy(), row.copy()
    unseen[:NO_SURFACE], seen[NO_SURFACE] = 0, 0
    if unseen.sum() < min_cell:
        return _joined(row, width, min_cell)
    if seen.sum() < min_cell:  # count as not seen, too
        unseen[NO_SURFACE], seen = row.sum(), np.zeros_like(row)
    return _joined(seen, width, min_cell) + unseen


def _joined(row: Counts, width: int, min_cell: int) -> Counts:
    coarse = row.reshape(-1, width).sum(axis=1)
    cells = _cells(coarse, min_cell)
    if width == 1:
        step = N_CASE_BINS // N_COARSE_CASE_BINS
        wide, of_wide = row.reshape(-1, step).sum(axis=1), np.arange(len(row)) // step
        cells = [
            cell
            for places in _cells(wide, min_cell)
            for cell in _cells(row * np.isin(of_wide, places), min_cell)
        ]
    whole = np.zeros_like(row)
    for cell in cells:
        n = coarse[cell]
        mean = int((n * cell).sum() / n.sum() + 0.5)
        whole[mean * width + width // 2] += n.sum()
    return whole


def _cells(coarse: Counts, min_cell: int) -> list[list[int]]:
    """Give the places, none empty, of each cell of at least `min_cell` cases."""
    cells: list[list[int]] = [[]]
    for place in np.flatnonzero(coarse).tolist():
        if sum(coarse[cells[-1]]) >= min_cell:
            cells.append([])
        cells[-1].append(place)
    if len(cells) > 1 and sum(coarse[cells[-1]]) < min_cell:
        cells[-2:] = [cells[-2] + cells[-1]]
    return [cell for cell in cells if cell]


def _clipped(places: NDArray[np.float64]) -> Counts:
    # a hair up: 0.28 * 50 is 14.000000000000002 here and 13.999999999999998 there
    return np.clip(np.floor(places + 1e-9), 0, N_CASE_BINS - 1).astype(np.int64)
