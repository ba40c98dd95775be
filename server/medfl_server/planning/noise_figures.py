"""What a plan's noise means, in figures and plain words, before anybody approves it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_common.plan.noise_cost import chance, epsilon_of_training, scoring_multiplier
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise

N_BINS = 16  # of scores with noise
APART = 1.5  # mean score of the ill, and of the well below 0, at a deviation of 2: AUC 0.86
SPREAD, EDGE = 2.0, 8.0
N_TRIALS = 400
TIMES = "1.4 to 2.4"  # of a plain step, measured: small CNN of 28 px, ResNet-18 of 64 px


@dataclass(frozen=True)
class Hospitals:
    """Who scores at the end."""

    n: int
    n_held_out: int  # patients at each, half of them with the finding


def figures(plan: Plan, noise: Noise, hospitals: Hospitals) -> list[list[str]]:
    """List rows of (question, answer)."""
    rounds = plan.federation.rounds
    cost = epsilon_of_training(noise, rounds)
    steps = rounds * noise.steps
    passes = steps * noise.draw / noise.least_patients
    unit = "a patient" if noise.per == "patient" else "one image, not a patient"
    return [
        ["multiplier", f"{noise.multiplier:g} clips of {noise.clip:g}"],
        ["what all rounds tell", f"epsilon {cost:.3g} at delta {noise.delta:g} of {unit}"],
        ["the same, tightly", _tight(noise, steps)],
        [
            "what that means",
            "one who knows everything else, and is wrong about 1 of 100 who were not there, finds "
            f"out that a given {noise.per} was there with a chance of {noise.found_at_most:.2g} at "
            f"most; {_in_one_word(noise)}",
        ],
        ["the scoring at the end", _scoring(noise, hospitals)],
        [
            "time",
            f"{steps} steps of about {noise.draw} patients: {passes:.3g} passes over "
            f"{noise.least_patients} patients. A step takes {TIMES} times a plain one of as many "
            "images, where it was measured, and drawing the noise 0.2 s for 10 million weights",
        ],
        [
            "not covered",
            "how many patients a hospital declares, that it takes part, the choice of these "
            "settings, the times, and what a hospital publishes itself",
        ],
    ]


def auc_error(multiplier: float, hospitals: Hospitals) -> float:
    """Estimate the deviation of a binary AUC by the noise alone, at a true AUC of 0.86.

    Each hospital adds noise to its counts; a patient has one image, so changes one count by 1.
    """
    rng = np.random.default_rng(0)
    edges = np.linspace(-EDGE, EDGE, N_BINS + 1)
    n = hospitals.n * hospitals.n_held_out // 2
    noise, errors = multiplier * math.sqrt(hospitals.n), []
    for _ in range(N_TRIALS):
        ill, well = (
            np.histogram(np.clip(rng.normal(mean, SPREAD, n), -EDGE, EDGE), edges)[0].astype(float)
            for mean in (APART, -APART)
        )
        noisy = (counts + rng.normal(0, noise, N_BINS) for counts in (ill, well))
        errors.append(_auc(*noisy) - _auc(ill, well))
    return float(np.std(errors))


def _auc(ill: NDArray[np.float64], well: NDArray[np.float64]) -> float:
    below = np.cumsum(well) - well / 2
    return float(np.clip((ill * below).sum() / (ill.sum() * well.sum()), 0, 1))


def _scoring(noise: Noise, hospitals: Hospitals) -> str:
    multiplier = scoring_multiplier(noise)
    if not multiplier:
        return "no scores leave (privacy.noise.scores: 0)"
    error = auc_error(multiplier, hospitals)
    return (
        f"epsilon {noise.scores:g} of a held-out patient; the AUC of {hospitals.n} hospitals with "
        f"{hospitals.n_held_out} held-out patients each is off by about {error:.2g} (one standard "
        "deviation) for the noise alone, if half of them have the finding and the true AUC is 0.86"
    )


def _in_one_word(noise: Noise) -> str:
    if noise.found_at_most < 0.5:
        return "less is told with a smaller epsilon, at a larger multiplier"
    return "this epsilon is a figure for the accounts rather than a promise"


def _tight(noise: Noise, steps: int) -> str:
    try:
        import dp_accounting
        from dp_accounting import pld
    except ImportError:
        return "not computed: pip install 'medfl[privacy]' brings dp-accounting, which does"
    step = dp_accounting.PoissonSampledDpEvent(
        chance(noise), dp_accounting.GaussianDpEvent(noise.multiplier)
    )
    event = dp_accounting.SelfComposedDpEvent(step, steps)
    tight = pld.PLDAccountant().compose(event).get_epsilon(noise.delta)
    return f"epsilon {tight:.3g}, by dp-accounting; plans and budgets count with the figure above"
