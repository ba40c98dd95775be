"""The one vector of integers that a hospital masks, and what the sum of several says.

Integers mod 2^32 add up without an error, whatever the order. Each hospital's numbers stay below
2^31 / hospitals, so that no sum runs over; what would is cut off, and counted.

A weight is rounded to range * most_images / (2^31 / S) images, S hospitals, so the mean is off by
S / 2^32 * range * most_images / (images of a hospital on average), at the most: 1e-8 * range for 43
hospitals that have most_images each. Roundings go both ways, so the error seen is a third of that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_common.errors import ConfigError, RunError
from medfl_common.metrics.counts import (
    N_BINS,
    N_COARSE_BINS,
    ScoreCounts,
    bin_places,
    coarser,
)
from medfl_common.models.weights import Weights, norm
from medfl_common.plan.noise_cost import variance_of_counts
from medfl_common.plan.plan import Plan
from medfl_common.privacy.fixed_point import FixedPoint
from medfl_common.wire.pooled_effects import effect_numbers, effects_of_sum, n_effect_numbers
from medfl_common.wire.results import TrainResult
from medfl_common.wire.secure_sum import MOST_SITES
from medfl_common.wire.tasks import Kind
from medfl_common.wire.tensors import Shapes

Summed = NDArray[np.uint32]

N_NORM_BINS = 12  # of the norms of updates, each twice as wide as the one before
FIRST_NORM = -7  # log2 of where the second of them begins
LIMB = 2**20  # a number is a sum of two digits of this base, so that 2,047 hospitals fit
LOSS_UNIT = 1e-3  # of a sum of losses over images
NUMBERS = ("n_images", "n_steps", "loss", "n_clipped", "n_scoring", "n_scored", "scored_loss")


@dataclass(frozen=True)
class Pooled:
    """What the sum of some hospitals says; nothing in it is of one of them."""

    n_sites: int  # in the sum
    n_images: int = 0  # trained on, each hospital's up to most_images
    n_steps: int = 0
    train_loss: float = 0.0  # mean over the images
    n_clipped: int = 0  # weights that wished to change by more than the range
    norms: tuple[int, ...] = ()  # updates by the log2 of their norm; see `norm_bin`
    n_scoring: int = 0  # hospitals that added scores
    score_counts: ScoreCounts | None = None
    update: Weights = field(default_factory=dict)  # sum(n_k * update_k) / sum(n_k)


class PooledLayout:
    """Where each number stands: the update's weights by name, then numbers, norms and scores.

    Args:
        plan: Has a section privacy.secure_sum.
        kind: Of the task: a scoring has scores alone.
        shapes: Of the tensors that the update changes.
        n_sites: Hospitals of the group, whoever answers.
    """

    def __init__(self, plan: Plan, kind: Kind, shapes: Shapes, n_sites: int) -> None:
        sums = plan.privacy.secure_sum
        assert sums is not None
        if not 1 <= n_sites <= MOST_SITES:
            raise ConfigError(f"{n_sites} hospitals cannot be summed; {MOST_SITES} are the most")
        self._fixed = FixedPoint(float(sums.range), sums.most_images, n_sites)
        self._most, self._top, self._task = sums.most_images, self._fixed.top, plan.task
        self._names = sorted(shapes) if kind == "train" else []
        self._shapes = shapes
        self._n_bins = N_COARSE_BINS if kind == "train" else N_BINS
        self._has_scores, self._noise = sums.scores, variance_of_counts(plan)
        self._tells_effects = sums.scores and kind != "train" and not self._noise
        self._n_weights = sum(math.prod(shapes[name]) for name in self._names)

    @property
    def length(self) -> int:
        """Count the vector's integers."""
        n_counts = 2 * len(NUMBERS) + (N_NORM_BINS if self._names else 0) + self._n_effects
        return self._n_weights + n_counts + sum(map(math.prod, self._score_shapes()))

    @property
    def _n_effects(self) -> int:
        return 2 * n_effect_numbers(self._task.n_outputs) if self._tells_effects else 0

    def encode(self, result: TrainResult) -> Summed:
        """Write one hospital's result; (length,). What exceeds the range is cut off.

        Raises RunError where a number is a NaN or an infinity: nobody sees it once it is masked.
        """
        if not result.is_finite:
            raise RunError("a weight, loss or metric is a NaN or an infinity")
        n = min(result.n_images, self._most)
        vector, n_clipped = self._quantised(result.update or {}, n)
        counts = result.score_counts if self._has_scores else None
        numbers = {
            "n_images": n,
            "n_steps": result.n_steps,
            "loss": round(result.train_loss * n / LOSS_UNIT),
            "n_clipped": n_clipped,
            "n_scoring": int(counts is not None),
            "n_scored": counts.n if counts is not None else 0,
            "scored_loss": round(counts.loss * counts.n / LOSS_UNIT) if counts is not None else 0,
        }
        tail = [digit for name in NUMBERS for digit in _digits(numbers[name])]
        if self._names:
            tail += np.eye(N_NORM_BINS, dtype=int)[norm_bin(norm(result.update or {}))].tolist()
        if self._tells_effects:
            own = effect_numbers(counts, self._task.n_outputs)
            tail += [digit for number in own for digit in _digits(number)]
        parts = [np.array(tail, np.int64), *map(np.ravel, self._scores(counts))]
        rest = np.minimum(np.concatenate(parts), self._top)
        return np.concatenate([vector, rest.astype(np.uint32)])

    def decode(self, total: Summed, n_summed: int) -> Pooled:
        """Read the sum of so many hospitals; raises RunError where it cannot be one."""
        if total.shape != (self.length,) or total.dtype != np.uint32:
            raise RunError(f"the sum has {total.size} numbers; {self.length} were expected")
        rest = total[self._n_weights :].astype(np.int64)
        if (rest > self._top * n_summed).any():
            raise RunError("a count of the sum is more than its hospitals can have")
        digits, rest = rest[: 2 * len(NUMBERS)], rest[2 * len(NUMBERS) :]
        seen = dict(zip(NUMBERS, _numbers(digits), strict=True))
        norms = rest[:N_NORM_BINS].tolist() if self._names else []
        effects, rest = _numbers(rest[len(norms) :][: self._n_effects]), rest[len(norms) :]
        n = seen["n_images"]
        if self._names and not (0 < n <= n_summed * self._most and sum(norms) == n_summed):
            raise RunError(f"a sum of {n} images and {sum(norms)} hospitals is not possible")
        return Pooled(
            n_summed,
            n,
            seen["n_steps"],
            seen["loss"] * LOSS_UNIT / max(n, 1),
            seen["n_clipped"],
            tuple(norms),
            seen["n_scoring"],
            self._counts(rest[self._n_effects :], seen, effects),
            self._mean(total[: self._n_weights], n),
        )

    def _quantised(self, update: Mapping[str, torch.Tensor], n: int) -> tuple[Summed, int]:
        """Weight an update with its images, as integers; count the weights that were cut off."""
        vector, n_clipped, start = np.empty(self._n_weights, np.uint32), 0, 0
        for name in self._names:
            whole, n_cut = self._fixed.quantise(update[name].detach().reshape(-1).numpy(), n)
            vector[start : start + whole.size] = whole
            start, n_clipped = start + whole.size, n_clipped + n_cut
        return vector, n_clipped

    def _mean(self, total: Summed, n: int) -> Weights:
        """Give sum(n_k * update_k) / sum(n_k) by name, float32."""
        start, found = 0, {}
        for name in self._names:
            size = math.prod(self._shapes[name])
            part = self._fixed.dequantise(total[start : start + size]) / n
            found[name] = torch.from_numpy(part.astype(np.float32)).reshape(self._shapes[name])
            start += size
        return found

    def _score_shapes(self) -> list[tuple[int, ...]]:
        curve = (self._task.n_outputs, self._n_bins)
        return [self._task.confusion_shape, curve, curve] if self._has_scores else []

    def _scores(self, counts: ScoreCounts | None) -> list[NDArray[np.int64]]:
        """Give the counts of scores, zeros where there are none."""
        if counts is None:
            return [np.zeros(shape, np.int64) for shape in self._score_shapes()]
        own, places = coarser(counts, self._n_bins), bin_places(self._n_bins)
        return [own.confusion, own.positive[:, places], own.negative[:, places]]

    def _counts(
        self, rest: NDArray[np.int64], seen: Mapping[str, int], effects: Sequence[int]
    ) -> ScoreCounts | None:
        """Read the sum of score counts; None: no hospital added any."""
        if not (self._has_scores and seen["n_scoring"] and seen["n_scored"]):
            return None
        shapes, start, found = self._score_shapes(), 0, []
        for shape in shapes:
            found.append(rest[start : start + math.prod(shape)].reshape(shape))
            start += math.prod(shape)
        confusion, *curves = found
        positive, negative = (np.zeros((len(c), N_BINS), np.int64) for c in curves)
        positive[:, bin_places(self._n_bins)], negative[:, bin_places(self._n_bins)] = curves
        loss = seen["scored_loss"] * LOSS_UNIT / seen["n_scored"]
        n, n_sites = seen["n_scored"], seen["n_scoring"]
        told = effects_of_sum(effects, n_sites, n) if effects else None
        noise = n_sites * self._noise
        return ScoreCounts(n, loss, confusion, positive, negative, told, noise)


def norm_bin(length: float) -> int:
    """Number the bin of an update's norm: below 2^-7, then doubling, 2^3 and more; 0..11."""
    if length < 2.0**FIRST_NORM:
        return 0
    return min(math.floor(math.log2(length)) - FIRST_NORM + 1, N_NORM_BINS - 1)


def _numbers(digits: NDArray[np.int64]) -> list[int]:
    """Read numbers from sums of two digits each."""
    found: list[int] = (digits[::2] * LIMB + digits[1::2]).tolist()
    return found


def _digits(number: int) -> tuple[int, int]:
    """Write a number from 0 as two digits, or the largest that there is."""
    return divmod(min(max(number, 0), LIMB**2 - 1), LIMB)
