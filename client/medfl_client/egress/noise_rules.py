"""What may leave under privacy.noise: noisy numbers, and constants that were declared before."""

from collections.abc import Mapping

from flwr.app import RecordDict

from medfl_client.egress.held_back import held_back
from medfl_common.plan.plan import Plan
from medfl_common.plan.privacy import Noise

# Of the task, the program or the machine: nothing of any patient.
BINDING = {"protocol", "plan", "round", "nonce", "code", "incident", "versions", "device"}
# Declared, or always the same; `check_noisy` holds each to its value.
DECLARED = {"n_images", "n_steps", "train_loss", "seconds"}
# One noisy release, and what follows from it, for the last scorings.
SCORES = {"n_scored", "loss", "confusion", "positive", "negative"}
STEP_S = 10  # seconds are told in tens


def check_noisy(content: RecordDict, plan: Plan, noise: Noise) -> None:
    """Raise DisclosureError where a reply holds a number that is neither noisy nor declared."""
    numbers, has_update = content.metric_records["numbers"], "update" in content
    allowed = BINDING | DECLARED
    if not has_update and noise.scores > 0:
        allowed |= SCORES
    if others := sorted(set(numbers) - allowed):
        raise held_back(f"under privacy.noise {others[0]} does not leave")
    exact = _not_declared(numbers, noise, has_update)
    if exact:
        raise held_back(f"under privacy.noise an exact {exact} does not leave")


def _not_declared(numbers: Mapping[str, object], noise: Noise, has_update: bool) -> str:
    """Name the first number that is not as it was declared; empty: all are."""
    n, seconds = numbers["n_images"], numbers["seconds"]
    least = noise.least_patients if has_update else 0
    steps = noise.steps if has_update else 0
    is_declared = {
        "n_images": isinstance(n, int) and n >= least and (has_update or n == 0),
        "n_steps": numbers["n_steps"] == steps,
        "train_loss": numbers["train_loss"] == 0,
        "seconds": isinstance(seconds, float | int) and seconds % STEP_S == 0,
    }
    return next((name for name, is_so in is_declared.items() if not is_so), "")
