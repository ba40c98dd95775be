"""The plan's section on what protects single patients and single hospitals, and what it needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from medfl_common.plan.halves import algorithms_of
from medfl_common.plan.settings import Number, Settings

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan


class Noise(Settings):
    """Differentially private training (DP-SGD): what a patient can change is bounded, and hidden.

    Abadi et al.: Deep Learning with Differential Privacy. CCS 2016.
    https://arxiv.org/abs/1607.00133
    """

    epsilon: Annotated[Number, Field(gt=0, le=100)]
    """The most that this study may tell of one patient, at each hospital; smaller protects more."""
    delta: Annotated[Number, Field(gt=0, lt=0.01)]
    """The chance at which `epsilon` may not hold; below 1 / `least_patients`."""
    per: Literal["patient", "image"] = "patient"
    """Whose trace is hidden: all images of a patient together, or a single image."""
    clip: Annotated[Number, Field(gt=0, le=1000)] = 1.0
    """The longest change that one patient may make to a step's gradient."""
    draw: int = Field(ge=1, le=1_000_000)
    """Patients in a step on average; each is drawn by a coin of its own."""
    steps: int = Field(ge=1, le=100_000)
    """Steps in a round, in place of `training.epochs` and `training.batch_size`."""
    multiplier: Annotated[Number, Field(gt=0, le=10_000)]
    """Standard deviation of the noise of a step, in clips; `medfl-server privacy` computes it."""
    least_patients: int = Field(ge=2, le=100_000_000)
    """A hospital with fewer patients to train on takes no part; the noise is computed for them."""
    scores: Annotated[Number, Field(ge=0, le=100)] = 0.0
    """The most that the last scoring may tell of one held-out patient; 0: no scores leave."""

    @property
    def found_at_most(self) -> float:
        """Bound the chance to find anybody, trained on or held out, at 1 % false alarms.

        e^epsilon x 1 % + delta. Kairouz, Oh, Viswanath: The Composition Theorem for Differential
        Privacy. ICML 2015.
        """
        return min(math.exp(max(self.epsilon, self.scores)) * 0.01 + self.delta, 1.0)


class SecureSum(Settings):
    """Updates are masked: the coordinator reads sums of hospitals and no single one.

    Bonawitz et al.: Practical Secure Aggregation for Privacy-Preserving Machine Learning. CCS 2017.
    https://eprint.iacr.org/2017/281
    """

    at_least: int = Field(default=3, ge=2, le=10_000)
    """Hospitals in a sum, the fewest."""
    may_lose: Annotated[int, Field(ge=0, le=10_000)] | Literal["auto"] = "auto"
    """Hospitals that may vanish in a round; `auto`: a third of those that are not the first."""
    range: Annotated[Number, Field(gt=0, le=1000)] = 1.0
    """A weight changes by no more than this in a round; what is beyond is clipped, and counted."""
    most_images: int = Field(default=10_000, ge=1, le=100_000_000)
    """Images for which a hospital counts in the mean, at the most; near the largest hospital's."""
    scores: bool = True
    """Counts of scores are summed too, so there are no scores by hospital; `false`: no scores."""


class Privacy(Settings):
    """What protects patients and hospitals; nothing, by default."""

    noise: Noise | None = None
    """Differential privacy by patient."""
    secure_sum: SecureSum | None = None
    """Only sums of hospitals can be read."""


def why_unbounded(plan: Plan) -> str:
    """Say why a plan does not bound what is told of a patient; empty: it does."""
    noise = plan.privacy.noise
    if noise is None:
        return "a plan without privacy.noise has no bound"
    if noise.per == "image":
        return "with privacy.noise.per: image a patient with many images is told more of"
    return ""


def why_unfit_privacy(plan: Plan) -> str:
    """Say which setting does not go with noise or secure sums; empty: all do."""
    noise, sums = plan.privacy.noise, plan.privacy.secure_sum
    reasons = {
        **(_of_noise(plan, noise) if noise else {}),
        **(_of_sums(plan) if sums else {}),
        **(_of_either(plan) if noise or sums else {}),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _of_noise(plan: Plan, noise: Noise) -> dict[str, bool]:
    training = plan.training
    unfit = [a.name for a in algorithms_of(plan) if not a.bears_noise]
    limit = 1 / noise.least_patients
    return {
        f"privacy.noise.delta {noise.delta:g} is not below 1 / least_patients, {limit:g}: a "
        "patient could be told whole": noise.delta >= limit,
        f"privacy.noise.draw {noise.draw} is more than least_patients": (
            noise.draw > noise.least_patients
        ),
        f"privacy.noise does not go with {', '.join(unfit)}: it uses exact numbers of a "
        "hospital's images beside the update": bool(unfit),
        f"privacy.noise is for classification yet, not for a {plan.task.type}": plan.task.is_dense,
        f"training.class_balance: {training.class_balance} uses the exact numbers of each class; "
        "with privacy.noise leave it out": training.class_balance != "none",
        "model.dropout joins the patients of a step; with privacy.noise leave it out": (
            plan.model.dropout > 0
        ),
        "training.feature_copies are drawn for all patients together; with privacy.noise leave it "
        "out": training.feature_copies > 1,
        "with model.freeze: all the changes of training.augmentation are drawn for all patients "
        "together; with privacy.noise leave them out": (
            plan.model.freeze == "all" and training.augmentation.is_on
        ),
        "privacy.noise has one split for all studies of a hospital; leave evaluation.split_of and "
        "split_seed out": (
            plan.evaluation.split_of is not None or plan.evaluation.split_seed is not None
        ),
        "training.clip_norm is for steps without noise; privacy.noise.clip clips each patient": (
            training.clip_norm is not None
        ),
        "training.epochs_range lets a hospital choose its steps; privacy.noise.steps says them": (
            training.epochs_range is not None
        ),
    }


def _of_sums(plan: Plan) -> dict[str, bool]:
    federation, names = (
        plan.federation,
        [a.name for a in algorithms_of(plan) if not a.is_mean or a.sends_state],
    )
    return {
        f"privacy.secure_sum does not go with {', '.join(names)}: it needs more than the mean of "
        "all updates, and nothing else is seen": bool(names),
        "privacy.secure_sum needs one group of hospitals in all rounds; leave sites_per_round": (
            federation.sites_per_round is not None
        ),
        f"privacy.secure_sum is for classification yet, not for a {plan.task.type}": (
            plan.task.is_dense
        ),
        "with privacy.secure_sum the best round cannot be told by hospital: set evaluation.keep: "
        "last, and no early_stop": (
            plan.evaluation.keep != "last" or plan.evaluation.early_stop is not None
        ),
    }


def _of_either(plan: Plan) -> dict[str, bool]:
    federation, scoring = plan.federation, plan.evaluation
    what = "privacy.noise" if plan.privacy.noise else "privacy.secure_sum"
    is_head_alone = plan.model.freeze == "all" and not plan.task.is_dense
    model = plan.model
    may_have_statistics = model.norm == "batch" or (model.norm == "own" and model.weights != "none")
    stays = model.norm_layers == "local" and plan.privacy.noise is None
    # Beside adapters norm layers are frozen, or stay; a graph's statistics always stay.
    stays = stays or model.adapters is not None or model.name == "graph"
    has_statistics = may_have_statistics and not stays
    return {
        f"{what} needs federation.messages.update: float32, which keeps sums exact": (
            federation.messages.update != "float32"
        ),
        f"{what} needs evaluation.keep: last and no early_stop; rounds have no scores": (
            plan.privacy.noise is not None
            and (scoring.keep != "last" or scoring.early_stop is not None)
        ),
        f"federation.statistics are exact counts; with {what} leave them out": (
            federation.statistics
        ),
        f"evaluation.feature_statistics are exact; with {what} leave them out": (
            scoring.feature_statistics
        ),
        f"evaluation.membership counts exact losses; with {what} leave it out, the sites' own "
        "scores.txt has it": scoring.membership,
        f"evaluation.subgroups are exact counts of few; with {what} leave them out": bool(
            scoring.subgroups
        ),
        f"evaluation.outside: rounds scores each round; with {what} set it to final": (
            scoring.outside == "rounds"
        ),
        f"running statistics of batch norm are exact moments of images; with {what} set "
        "model.norm: group": has_statistics and not is_head_alone,
    }
