"""The thresholds that a model comes with, by name: what is called at each, and what it promises."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from medfl_common.metrics.enough import digits
from medfl_common.plan.plan import Plan
from medfl_common.run.model_file import Reading

PLANS, YOUDEN = "the threshold", "Youden"


@dataclass(frozen=True)
class NamedThreshold:
    """One threshold of a binary task."""

    name: str
    chance: float  # a probability at or above it is positive
    promise: str
    classes: tuple[str, str]  # negative, positive

    def cells(self, probability: float) -> dict[str, str]:
        """Give one image's cells; at the plan's own threshold the column `called` has the class."""
        found = {f"promise of {self.name}": self.promise}
        if self.name != PLANS:
            called = self.classes[int(probability >= self.chance)]
            found[f"called at {self.name}"] = called
        return found


def named_thresholds(plan: Plan, reading: Reading) -> list[NamedThreshold]:
    """List the thresholds of a model; none but of a binary task."""
    if plan.task.type != "binary":
        return []
    negative, positive = plan.task.classes
    kinds = {
        PLANS: ("threshold", reading.threshold),
        YOUDEN: ("youden", reading.youden),
        _specificity(plan): ("at_specificity", reading.at_specificity),
    }
    return [
        NamedThreshold(name, chance, _promise(kind, chance, plan, reading), (negative, positive))
        for name, (kind, chance) in kinds.items()
        if chance is not None
    ]


def threshold_columns(plan: Plan) -> list[str]:
    """List the columns of a plan's thresholds; one stays empty where a model has none."""
    if plan.task.type != "binary":
        return []
    names = (YOUDEN, _specificity(plan))
    both = [column for name in names for column in (f"called at {name}", f"promise of {name}")]
    return [f"promise of {PLANS}", *both]


def exact(value: torch.Tensor | float) -> str:
    """Write a number so that reading it gives the same again: no two become equal."""
    return repr(float(value))


def _specificity(plan: Plan) -> str:
    return f"specificity {plan.evaluation.specificity:g}"


def _promise(kind: str, chance: float, plan: Plan, reading: Reading) -> str:
    """Say where the threshold is and what it reached, on which images."""
    rates: Mapping[str, float | None] = reading.rates.get(kind, {})
    n_digits = digits(reading.n_images)
    reached = [f"{name} {v:.{n_digits}f}" for name, v in rates.items() if v is not None]
    if not reached:
        return f"at {chance:.4g}: no scores to say what it reaches"
    hospitals = "1 hospital" if reading.sites == 1 else f"{reading.sites} hospitals"
    where = f"on {reading.n_images} validation images of {hospitals}"
    text = f"at {chance:.4g}: {', '.join(reached)} {where}"
    if kind == "at_specificity":
        part = plan.evaluation.specificity
        text += f"; of new negative images like these {part:g} or more are expected below it"
    return text
