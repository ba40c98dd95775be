"""The plan's section on its primary aim: what the study is to show, named before anyone sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from medfl_common.plan.dense import BOX_METRICS, LOWER_IS_BETTER, MASK_METRICS
from medfl_common.plan.settings import Number, Settings

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan

IMAGE_METRICS = (
    "auc", "pr_auc", "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1",
    "kappa", "sensitivity_at_specificity",
)  # fmt: skip
WORDS = {
    "auc": "AUC", "pr_auc": "precision-recall AUC", "balanced_accuracy": "balanced accuracy",
    "f1": "F1", "kappa": "Cohen's kappa", "sensitivity_at_specificity": "sensitivity",
    "dice": "Dice", "nsd": "surface Dice", "hd95": "HD95", "froc": "FROC", "ap50": "AP50",
}  # fmt: skip
OTHERS = {
    "pooled": "that of the model trained on all images in one place",
    "best_single": "that of the best model of a single hospital",
}


class Primary(Settings):
    """The study's primary aim: it is met where the whole 95 % interval, by patient, says so."""

    metric: Literal[
        "auc", "pr_auc", "accuracy", "balanced_accuracy", "precision", "recall", "specificity",
        "f1", "kappa", "sensitivity_at_specificity", "dice", "nsd", "hd95", "froc", "ap50",
    ]  # fmt: skip
    """The score of the final model over all hospitals that share it; `hd95` is best when low."""
    against: Literal["value", "pooled", "best_single"] = "value"
    """What it is compared with: `value`; in `medfl-sim` also the model of all images in one place,
    or the best model of a single hospital, on the same patients: of `auc`, `dice`, `froc`."""
    value: Number | None = None
    """With `against: value`: the number."""
    question: Literal["superiority", "non_inferiority"] = "superiority"
    """`superiority`: the interval lies beyond the other by more than `margin`. `non_inferiority`:
    it is worse by less than `margin`."""
    margin: Annotated[Number, Field(ge=0)] = 0.0
    """By how much, in the score's unit; `non_inferiority` needs one above 0."""
    part: Literal["test", "outside"] = "test"
    """Whose patients count: those of the test parts, or of the hospitals that only score."""

    @property
    def is_low_best(self) -> bool:
        """Say whether the score is best when low."""
        return self.metric in LOWER_IS_BETTER

    @property
    def gain(self) -> float:
        """Return by how much the score must be better than the other; below 0: may be worse."""
        return self.margin if self.question == "superiority" else -self.margin


def why_unfit_primary(plan: Plan) -> str:
    """Say why the plan cannot have its primary aim; empty: it can, or has none."""
    own = plan.evaluation.primary
    if own is None:
        return ""
    main = _metrics_of(plan)[0]
    noise = plan.privacy.noise
    reasons = {
        f"evaluation.primary.metric: {own.metric} is no score of a {plan.task.type} task; "
        f"it has {', '.join(_metrics_of(plan))}": own.metric not in _metrics_of(plan),
        "evaluation.primary.value: missing; write the number that the score is compared with": (
            own.against == "value" and own.value is None
        ),
        f"evaluation.primary.value belongs to against: value, not to {own.against}": (
            own.against != "value" and own.value is not None
        ),
        f"evaluation.primary.value: {own.value} is no possible {_word(own)}": _is_impossible(
            own, own.value
        ),
        f"evaluation.primary.margin: no {_word(own)} is {own.margin:g} better than {own.value}": (
            own.value is not None and _is_impossible(own, own.value + _towards(own))
        ),
        f"evaluation.primary.metric: {own.metric} is compared with a value only; of two models "
        f"medfl-sim compares {main}": own.against != "value" and own.metric != main,
        "evaluation.primary.margin: a question of non_inferiority needs one above 0": (
            own.question == "non_inferiority" and own.margin == 0
        ),
        "evaluation.primary.part: test, and evaluation.test: 0 leaves no test part": (
            own.part == "test" and plan.evaluation.test == 0
        ),
        "evaluation.primary needs scores, and privacy.noise.scores: 0 lets none leave": (
            noise is not None and noise.scores == 0
        ),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def in_words(own: Primary, specificity: float, distance_unit: str) -> str:
    """Say what is to be shown: AUC above 0.8 on test patients.

    Args:
        own: The aim.
        specificity: The plan's, at which a sensitivity is told.
        distance_unit: Of the plan's images: mm or pixels.
    """
    of = f" at a specificity of {specificity:g}" * (own.metric == "sensitivity_at_specificity")
    unit = f" {distance_unit}" if own.metric == "hd95" else ""
    if own.question == "non_inferiority":
        how = f"less than {own.margin:g}{unit} worse than"
    elif own.margin:
        how = f"more than {own.margin:g}{unit} better than"
    else:
        how = "below" if own.is_low_best else "above"
    other = f"{own.value:g}{unit}" if own.value is not None else OTHERS[own.against]
    whom = "test patients" if own.part == "test" else "patients of hospitals outside the study"
    return f"{_word(own)}{of} {how} {other}, on {whom}"


def _word(own: Primary) -> str:
    return WORDS.get(own.metric, own.metric)


def _metrics_of(plan: Plan) -> tuple[str, ...]:
    if plan.task.has_masks:
        return MASK_METRICS
    return BOX_METRICS if plan.task.has_boxes else IMAGE_METRICS


def _towards(own: Primary) -> float:
    """Give how far from the value the score must be, where it must be better."""
    if own.question == "non_inferiority":
        return 0.0
    return -own.margin if own.is_low_best else own.margin


def _is_impossible(own: Primary, value: float | None) -> bool:
    least = -1.0 if own.metric == "kappa" else 0.0
    most = float("inf") if own.metric == "hd95" else 1.0
    return value is not None and not least <= value <= most
