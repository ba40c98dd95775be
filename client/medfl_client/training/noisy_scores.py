"""Scores of held-out patients as noisy counts: whether one of them was there stays hidden.

Each patient weighs 1, as the mean of the patient's images, and is counted in tables by true class
and score. Normal noise is added to every cell of every table, one release for all of them
(Dwork, Roth: The Algorithmic Foundations of Differential Privacy. 2014, appendix A; the exact
multiplier by Balle, Wang: Improving the Gaussian Mechanism. ICML 2018). All else follows from the
noisy tables: the confusion, the number of patients, the loss.

How far one patient moves the tables: an image adds 1 to one cell of each table it is in, so a mean
over images moves T tables by sqrt(T) at most. Binary: 1 table. Multilabel: one for each finding.
Multiclass: one for each class against the rest, and the confusion: sqrt(K + 1).
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.dataset import Indices
from medfl_client.training.draw_units import Units
from medfl_client.training.losses import classes, log_odds, predicted
from medfl_common.metrics.counts import MAX_LOGIT, N_BINS, Counts, ScoreCounts, bin_places
from medfl_common.plan.plan import Plan
from medfl_common.privacy.random_stream import SecretStream

NOISY_BINS = 16  # fewer bins than without noise: each has its own
EQUAL = np.linspace(-MAX_LOGIT, MAX_LOGIT, NOISY_BINS + 1)[1:-1]  # their inner edges
Table = NDArray[np.float64]


def noisy_counts(
    logits: torch.Tensor,
    targets: torch.Tensor,
    units: Units,
    plan: Plan,
    multiplier: float,
    stream: SecretStream,
) -> ScoreCounts | None:
    """Count patients by score, with noise; None where the noise leaves nobody.

    Args:
        logits: (N, K) of the images.
        targets: (N, K), NaN where unknown.
        units: Whose they are.
        plan: The study's.
        multiplier: Standard deviation of the noise, in the most that a patient moves the tables.
        stream: Makes the noise; of this question alone.
    """
    odds = log_odds(logits, plan)
    weights = _weights(units, len(targets))
    exact = [_by_score(odds[:, k], targets[:, k], weights, plan) for k in range(odds.shape[1])]
    is_multiclass = plan.task.is_one_of_many
    if is_multiclass:
        exact.append(_confusion(odds, targets, weights, plan))
    deviation = multiplier * math.sqrt(len(exact))
    noisy = [t + stream.normal(t.size).reshape(t.shape) * deviation for t in exact]
    whole = [np.stack([_whole(row) for row in table]) for table in noisy]
    counts = _joined(whole[:-1], whole[-1], plan) if is_multiclass else _each(whole, plan)
    return counts if counts.n else None


def edges(plan: Plan) -> Table:
    """Give the inner edges of the noisy bins: equal ones, and the threshold's, in log-odds."""
    return np.unique([*EQUAL, _threshold(plan)])


def _weights(units: Units, n_images: int) -> Table:
    """Give (N,) the part of its patient that each image is."""
    weights = np.zeros(n_images)
    for places in units.places:
        weights[places] = 1 / len(places)
    return weights


def _by_score(odds: torch.Tensor, target: torch.Tensor, weights: Table, plan: Plan) -> Table:
    """Weigh (2, bins): the rest and the class, by log-odds, of those of whom it is known."""
    found, place = (
        np.zeros((2, len(edges(plan)) + 1)),
        np.searchsorted(edges(plan), odds.numpy(), "right"),
    )
    known = ~torch.isnan(target).numpy()
    rows = (target.numpy() > 0.5).astype(int)
    np.add.at(found, (rows[known], place[known]), weights[known])
    return found


def _confusion(odds: torch.Tensor, targets: torch.Tensor, weights: Table, plan: Plan) -> Table:
    found = np.zeros(plan.task.confusion_shape)
    np.add.at(found, (classes(targets, plan).numpy(), predicted(odds, plan).numpy()), weights)
    return found


def _whole(noisy: Table) -> Counts:
    """Turn noisy counts into whole ones, none below 0, with the same total.

    The nearest that have it. Wang et al.: Locally Differentially Private Frequency Estimation with
    Consistency. NDSS 2020.
    """
    total = max(round(float(noisy.sum())), 0)
    falling = np.sort(noisy)[::-1]
    cut = (np.cumsum(falling) - total) / np.arange(1, len(noisy) + 1)
    above = np.flatnonzero(falling > cut)
    taken = cut[above[-1]] if len(above) else 0.0
    return _scaled(np.maximum(noisy - taken, 0.0), total)


def _scaled(values: Table | Counts, total: int) -> Counts:
    """Give whole numbers in proportion to values, by the largest remainders; all 0 stay so."""
    size = float(values.sum())
    if size <= 0:
        return np.zeros(len(values), np.int64)
    exact = values / size * total
    found = np.floor(exact).astype(np.int64)
    order = np.argsort(found - exact, kind="stable")
    found[order[: total - int(found.sum())]] += 1
    return found


def _each(tables: list[Counts], plan: Plan) -> ScoreCounts:
    """Make counts of one table for each output; the confusion follows from the threshold."""
    cut = int(np.searchsorted(edges(plan), _threshold(plan), "right"))
    confusion = np.stack(
        [np.stack([t[:, :cut].sum(axis=1), t[:, cut:].sum(axis=1)], axis=1) for t in tables]
    )
    n = int(confusion.sum(axis=(1, 2)).max())
    one = plan.task.type == "binary"
    return _counts(n, confusion[0] if one else confusion, tables, plan)


def _threshold(plan: Plan) -> float:
    at = plan.evaluation.threshold
    if not 0 < at < 1:
        return math.copysign(2 * MAX_LOGIT, at - 0.5)
    return float(np.clip(math.log(at / (1 - at)), -2 * MAX_LOGIT, 2 * MAX_LOGIT))


def _joined(tables: list[Counts], confusion: Counts, plan: Plan) -> ScoreCounts:
    """Make counts of a table for each class and the confusion, which says how many there are."""
    n, per_class = int(confusion.sum()), confusion.sum(axis=1)
    fitted = [
        np.stack([_scaled(t[0], n - int(own)), _scaled(t[1], int(own))])
        for t, own in zip(tables, per_class, strict=True)
    ]
    return _counts(n, confusion, fitted, plan)


def _counts(n: int, confusion: Counts, tables: list[Counts], plan: Plan) -> ScoreCounts:
    """Put the bins where coarser ones stand, and add the loss that they mean."""
    places = _places(plan)
    curves = np.zeros((2, len(tables), N_BINS), np.int64)
    for k, table in enumerate(tables):
        np.add.at(curves[0, k], places, table[1])
        np.add.at(curves[1, k], places, table[0])
    return ScoreCounts(n, _loss(tables, plan), confusion, curves[0], curves[1])


def _places(plan: Plan) -> Indices:
    """Give the place, 0..N_BINS - 1, of each noisy bin; the threshold's two stand in one."""
    starts = np.array([-np.inf, *edges(plan)])
    return bin_places(NOISY_BINS)[np.searchsorted(EQUAL, starts, "right")]


def _loss(tables: list[Counts], plan: Plan) -> float:
    """Give the mean loss with each patient in the middle of a bin."""
    odds = (bin_places(NOISY_BINS) + 0.5) / N_BINS * 2 * MAX_LOGIT - MAX_LOGIT
    middle = odds[np.searchsorted(bin_places(NOISY_BINS), _places(plan))]
    of_class, of_rest = np.logaddexp(0, -middle), np.logaddexp(0, middle)
    stacked = np.stack(tables)
    is_multiclass = plan.task.is_one_of_many
    right = float((stacked[:, 1] * of_class).sum())
    wrong = 0.0 if is_multiclass else float((stacked[:, 0] * of_rest).sum())
    n = int(stacked[:, 1].sum() if is_multiclass else stacked.sum())
    return (right + wrong) / max(n, 1)
