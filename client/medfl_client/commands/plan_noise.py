"""What noise does to a plan's rounds, steps and scores, in words for the hospital."""

from medfl_common.metrics.counts import N_BINS
from medfl_common.plan.noise_cost import epsilon_of_training
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise

NONE = (
    "none: the updates leave as they are, without noise or masking; a dishonest coordinator could "
    "learn something of the images from them"
)
SUMS = (
    "secure sums: the updates are masked, and the coordinator reads only their sum over at least "
    "{at_least} hospitals. What the sum tells of single images, it tells"
)
FLOATS = "computed with floating-point numbers, for which this is not proved to the last digit"


def protection(plan: Plan) -> str:
    """Say what protects patients and hospitals."""
    noise, sums = plan.privacy.noise, plan.privacy.secure_sum
    told = [_noise(noise, plan.federation.rounds)] if noise else []
    told += [SUMS.format(at_least=sums.at_least)] if sums else []
    return ". ".join(told) or NONE


def rounds_and_steps(noise: Noise, rounds: int) -> str:
    """Say how long it trains, in place of epochs."""
    return f"{rounds} rounds, {noise.steps} steps in each"


def step(noise: Noise) -> str:
    """Say who is in a step, in place of the batch."""
    return (
        f"each patient by a coin, about {noise.draw} of them; what one changes is clipped to "
        f"{noise.clip:g}, and noise of {noise.multiplier:g} times that is added"
    )


def leaves(noise: Noise) -> str:
    """Say which numbers leave beside an update."""
    return (
        f"a declared number of patients (at least {noise.least_patients}), the number of steps, "
        "the time to 10 seconds, and whether a GPU worked"
    )


def scores(noise: Noise) -> str:
    """Say what leaves of held-out patients."""
    if not noise.scores:
        return "none leave"
    return (
        f"none in the rounds; at the end counts of right and wrong, in up to {N_BINS} bins, with "
        f"noise: of one held-out patient they tell at most epsilon {noise.scores:g}"
    )


def _noise(noise: Noise, rounds: int) -> str:
    cost = epsilon_of_training(noise, rounds)
    unit = "patient" if noise.per == "patient" else "image (not patient)"
    return (
        f"noise: all rounds together tell of one {unit} at most epsilon {cost:.3g} at delta "
        f"{noise.delta:g}, whatever the reader knows besides; {FLOATS}"
    )
