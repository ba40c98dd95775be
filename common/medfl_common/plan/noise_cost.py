"""What a plan with noise costs one patient, and the noise that its epsilon needs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from medfl_common.plan.privacy import Noise
from medfl_common.privacy.accountant import (
    Rdp,
    epsilon_of,
    gaussian_multiplier,
    least_epsilon,
    multiplier_for,
    rdp_of_step,
)

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan

DIGITS = 3  # of a multiplier that a person reads and writes


def chance(noise: Noise) -> float:
    """Give the highest chance at which a patient is drawn into a step, at any hospital."""
    return noise.draw / noise.least_patients


def rdp_of_training(noise: Noise, rounds: int) -> Rdp:
    """Give what all rounds cost a patient who is trained on, by order."""
    return rounds * noise.steps * rdp_of_step(chance(noise), noise.multiplier)


def rdp_of_scoring(noise: Noise) -> Rdp:
    """Give what one scoring costs a held-out patient, by order; 0 where no scores leave."""
    return rdp_of_step(float(noise.scores > 0), scoring_multiplier(noise) or 1.0)


def scoring_multiplier(noise: Noise) -> float:
    """Give the noise of one scoring, in the most that a patient changes the counts; 0: no scores.

    One Gaussian release is exact at (scores, delta); see `gaussian_multiplier`.
    """
    return _of_one_release(noise.scores, noise.delta) if noise.scores > 0 else 0.0


def variance_of_counts(plan: Plan) -> float:
    """Give the variance of the noise in each bin of one hospital's scores; 0: there is none.

    A table for each output, and of a multiclass task the confusion beside them.
    """
    if plan.privacy.noise is None:
        return 0.0
    n_tables = plan.task.n_outputs + plan.task.is_one_of_many
    return n_tables * scoring_multiplier(plan.privacy.noise) ** 2


def epsilon_of_training(noise: Noise, rounds: int) -> float:
    """Give the epsilon that all rounds cost at the plan's delta."""
    return _epsilon(chance(noise), noise.multiplier, rounds * noise.steps, noise.delta)


def fitting_multiplier(noise: Noise, rounds: int) -> float:
    """Compute the multiplier that gives the plan's epsilon, rounded up; the plan's own is not read.

    Raises ValueError where no noise gives it.
    """
    q, steps = chance(noise), rounds * noise.steps
    return rounded_up(multiplier_for(noise.epsilon, noise.delta, q, steps))


def rounded_up(number: float) -> float:
    """Round up to the digits of a plan: more noise than needed never tells more."""
    unit = 10.0 ** (math.floor(math.log10(number)) - DIGITS + 1)
    return float(f"{math.ceil(number / unit) * unit:.{DIGITS}g}")


def why_too_dear(plan: Plan) -> str:
    """Say that the noise is too little for the plan's epsilon; empty: it is enough."""
    noise, rounds = plan.privacy.noise, plan.federation.rounds
    if noise is None:
        return ""
    cost = epsilon_of_training(noise, rounds)
    if cost <= noise.epsilon * (1 + 1e-9):
        return ""
    what = (
        f"privacy.noise: {rounds} rounds of {noise.steps} steps with multiplier "
        f"{noise.multiplier:g} cost epsilon {cost:.3g} at delta {noise.delta:g}, "
        f"more than epsilon: {noise.epsilon:g}"
    )
    try:
        fits = f"multiplier: {fitting_multiplier(noise, rounds):g} fits"
    except ValueError:
        least = least_epsilon(noise.delta)
        fits = f"no multiplier fits, as epsilon below {least:.2g} cannot be shown at this delta"
    return f"{what}; {fits} (medfl-server privacy computes it)"


@lru_cache(maxsize=64)
def _epsilon(q: float, multiplier: float, steps: int, delta: float) -> float:
    return epsilon_of(steps * rdp_of_step(q, multiplier), delta)[0]


@lru_cache(maxsize=64)
def _of_one_release(epsilon: float, delta: float) -> float:
    return gaussian_multiplier(epsilon, delta)
