"""Every score of a detection with its 95 % interval, from boxes counted by score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_common.metrics.box_counts import (
    CENTRE,
    EXTRA,
    HIT,
    N_EFFECTS,
    OVERLAP,
    POINTS,
    UNKNOWN,
    WITH,
    BoxCounts,
    FoundBoxes,
)
from medfl_common.metrics.counts import Counts
from medfl_common.metrics.estimates import SEED, Estimate
from medfl_common.metrics.intervals import wilson
from medfl_common.seeds import numpy_generator

AT_POINTS = tuple(f"at_{name}" for name in ("1_8", "1_4", "1_2", "1", "2", "4", "8"))
BOX_SCORES = ("froc", "ap50", *AT_POINTS)
EFFECT_OF = (*AT_POINTS, "froc", "ap50")  # the order of BoxCounts.effects
# what an effect is rounded up to, so that it tells no sum of squares
EFFECT_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 1000.0)
N_DRAWS = 200  # of patients, for the effects
MOST_STEPS = 1000  # of precision within a bin; of more true boxes some together are a step

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bounded:
    """A value, and how far the bins may have it off."""

    value: float
    bound: float


def fewest_with(counts: BoxCounts) -> int:
    """Count the images with the rarest of the classes that have any; 0: none has."""
    found = counts.images[:, WITH]
    return int(found[found > 0].min(initial=counts.n)) if found.any() else 0


def froc_curve(hits: Counts, extra: Counts, n_truths: int, n_images: int) -> tuple[Floats, Floats]:
    """Give false positives an image and sensitivity at each threshold, the highest first.

    Args:
        hits: (N_BOX_BINS,) true boxes found.
        extra: (N_BOX_BINS,) false boxes.
        n_truths: True boxes.
        n_images: Images.
    """
    begin = np.zeros(1)
    false = np.concatenate([begin, np.cumsum(extra[::-1]) / max(n_images, 1)])
    return false, np.concatenate([begin, np.cumsum(hits[::-1]) / max(n_truths, 1)])


def at_points(false: Floats, sensitivity: Floats) -> list[Bounded]:
    """Read a curve at POINTS, with straight lines between thresholds; it stays flat at its end.

    The curve without bins is between the two thresholds around a point, too.
    """
    found = []
    for point in POINTS:
        i = int(np.searchsorted(false, point, side="right")) - 1
        if i == len(false) - 1:
            found.append(Bounded(float(sensitivity[i]), 0.0))
            continue
        part = (point - false[i]) / (false[i + 1] - false[i])
        step = float(sensitivity[i + 1] - sensitivity[i])
        value = float(sensitivity[i] + part * step)
        found.append(Bounded(value, float(max(part, 1 - part)) * step))
    return found


def average_precision(hits: Counts, extra: Counts, n_truths: int) -> Bounded:
    """Give the area under the precision at each recall, made monotone (all points, as VOC 2010).

    Within a bin the false boxes are spread evenly between the found ones; the bound is of all of
    them first, and of all last. So many boxes cost no more than MOST_STEPS of each bin.
    """
    true, false = hits[::-1], extra[::-1]
    steps = np.minimum(true, MOST_STEPS)
    columns = (steps, true, false, np.cumsum(steps), np.cumsum(true), np.cumsum(false))
    n_steps, n, within, *ends = (np.repeat(x, steps) for x in columns)
    last, begun, before = ends[0] - n_steps, ends[1] - n, ends[2] - within
    width = n / n_steps  # true boxes of a step, which stands at their mean
    inner = (np.arange(len(n)) - last + 0.5) * width + 0.5
    so_far, shares = begun + inner, (0.0, inner / (n + 1), 1.0)
    rows = [so_far / (so_far + before + share * within) for share in shares]
    high, value, low = (_area(row, width, n_truths) for row in rows)
    return Bounded(value, max(high - value, value - low))


def _area(precision: Floats, width: Floats, n_truths: int) -> float:
    monotone = np.maximum.accumulate(precision[::-1])[::-1]
    return float((monotone * width).sum() / max(n_truths, 1))


def class_scores(counts: BoxCounts, k: int) -> dict[str, Bounded | None]:
    """Score one class; None where it is in no truth."""
    n_truths = int(counts.truths[k])
    if not n_truths:
        return dict.fromkeys(BOX_SCORES)
    n_images = int(counts.images[k].sum())
    return {**_scored(counts.hits[k], counts.extra[k], n_truths, n_images)}


def _scored(hits: Counts, extra: Counts, n_truths: int, n_images: int) -> dict[str, Bounded]:
    curve = froc_curve(hits[CENTRE], extra[CENTRE], n_truths, n_images)
    points = at_points(*curve)
    mean = Bounded(*(float(np.mean([getattr(p, x) for p in points])) for x in ("value", "bound")))
    precision = average_precision(hits[OVERLAP], extra[OVERLAP], n_truths)
    return {"froc": mean, "ap50": precision, **dict(zip(AT_POINTS, points, strict=True))}


def box_scores(counts: BoxCounts) -> dict[str, float | None]:
    """Score all classes: the unweighted mean over those that have a value."""
    return {name: one.value for name, one in box_estimates(counts).items()}


def box_estimates(counts: BoxCounts) -> dict[str, Estimate]:
    """Give each score, the mean over classes, with its interval: the mean of theirs."""
    each = [class_estimates(counts, k) for k in range(len(counts.truths))]
    return {name: _mean_estimate([one[name] for one in each]) for name in BOX_SCORES}


def class_estimates(counts: BoxCounts, k: int) -> dict[str, Estimate]:
    """Give each score of one class with its interval.

    It is Wilson's, as if a score were the share of so many true boxes found, which its effect
    divides (Rao, Scott 1992); the bins' bound is added.
    """
    n, found = int(counts.truths[k]), class_scores(counts, k)
    estimates = {}
    for name in BOX_SCORES:
        own, effect = found[name], float(counts.effects[k, EFFECT_OF.index(name)])
        interval = None if own is None else wilson(own.value * n, n, effect or 1.0)
        if own is None or interval is None:
            estimates[name] = Estimate(None)
            continue
        low, high = max(interval[0] - own.bound, 0.0), min(interval[1] + own.bound, 1.0)
        whose = "patients" if effect else "images"
        low, high = min(low, own.value), max(high, own.value)
        estimates[name] = Estimate(own.value, low, high, n, own.bound, whose)  # type: ignore[arg-type]
    return estimates


def box_effects(found: FoundBoxes, min_cell: int) -> Floats:
    """Compare the variance over patients, drawn anew, with that of independent true boxes.

    (K, N_EFFECTS), rounded up to one of EFFECT_STEPS. Without variance it is that of patients whose
    boxes are all found or all missed. 0 of a class that fewer than `min_cell` patients have, or of
    whose true boxes one patient has more than half.
    """
    effects = np.zeros((found.truths.shape[1], N_EFFECTS))
    whose, n_patients = np.unique(found.patient, return_inverse=True)[1], len({*found.patient})
    for k in range(len(effects)):
        of_images = np.maximum(found.truths[:, k], 0)
        truths = np.bincount(whose, of_images, n_patients).astype(np.float64)
        if (truths > 0).sum() < max(min_cell, 2) or 2 * truths.max() > truths.sum():
            continue
        is_known = found.truths[:, k] != UNKNOWN
        known = np.bincount(whose, is_known, n_patients).astype(np.float64)
        alike = float((truths**2).sum() / truths.sum())
        effects[k] = _effects_of_class(found, k, whose, truths, known, alike)
    return effects


def _effects_of_class(
    found: FoundBoxes, k: int, whose: Counts, truths: Floats, known: Floats, alike: float
) -> Floats:
    cells = [(rule, what) for what in (HIT, EXTRA) for rule in (OVERLAP, CENTRE)]
    by_patient = np.zeros((len(truths), len(cells), found.by_image(k).shape[1]))
    for i, cell in enumerate(cells):
        np.add.at(by_patient[:, i], whose, found.by_image_and_rule(k, *cell))
    rng = numpy_generator(SEED, "boxes")
    draws = rng.multinomial(len(truths), np.full(len(truths), 1 / len(truths)), N_DRAWS)
    boxes = np.tensordot(draws, by_patient, axes=1).astype(np.int64)
    n_truths, n_images = (draws @ truths).astype(np.int64), (draws @ known).astype(np.int64)
    drawn = np.array([
        _values(one, t, n)
        for one, t, n in zip(boxes, n_truths.tolist(), n_images.tolist(), strict=True)
        if t
    ])  # fmt: skip
    whole = by_patient.sum(axis=0).astype(np.int64)
    values = np.array(_values(whole, int(truths.sum()), int(known.sum())))
    independent = values * (1 - values) / truths.sum()
    variance = drawn.var(axis=0, ddof=1)
    has_both = (independent > 0) & (variance > 0)
    ratio = variance / np.where(has_both, independent, 1.0)
    exact = np.where(has_both, ratio, alike)
    steps = np.array(EFFECT_STEPS)
    return np.asarray(steps[np.searchsorted(steps, exact).clip(max=len(steps) - 1)])


def _values(boxes: Counts, n_truths: int, n_images: int) -> list[float]:
    """Give the values of (4, N_BOX_BINS) boxes in the order of EFFECT_OF."""
    found = _scored(boxes[:2], boxes[2:], n_truths, n_images)
    return [found[name].value for name in EFFECT_OF]


def _mean_estimate(each: list[Estimate]) -> Estimate:
    known = [one for one in each if one.value is not None]
    if not known:
        return Estimate(None)
    value, low, high = (
        float(np.mean([getattr(one, end) for one in known])) for end in ("value", "low", "high")
    )
    are_told = all(one.independent == "patients" for one in known)
    n, bound = min(one.n for one in known), max(one.bound for one in known)
    return Estimate(value, low, high, n, bound, "patients" if are_told else "images")
