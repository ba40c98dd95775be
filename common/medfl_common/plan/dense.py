"""What a segmentation needs of the other sections of its plan, and what belongs to it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan

METRICS = ("dice", "nsd", "hd95")  # of a segmentation; it has the loss, too
LOWER_IS_BETTER = ("loss", "hd95")
WINDOW_OVERLAP = 0.5  # of a window with the next, where an image is larger than the network's
WINDOW_SPREAD = 1 / 8  # deviation of the Gaussian by which a window's places count, in its sides


def why_unfit_masks(plan: Plan) -> str:
    """Say which setting does not go with the plan's task; empty: all do."""
    return _why_unfit_dense(plan) if plan.task.is_dense else _why_unfit_other(plan)


def _why_unfit_dense(plan: Plan) -> str:
    scoring, training, images = plan.evaluation, plan.training, plan.images
    reasons = {
        f"a segmentation is scored by {', '.join(METRICS)} or loss, not by "
        f"evaluation.metric: {scoring.metric}": scoring.metric not in (*METRICS, "loss"),
        "a segmentation has no training.label_smoothing": training.label_smoothing > 0,
        "a segmentation has no training.class_balance: weights; use sampling, or the loss": (
            training.class_balance == "weights"
        ),
        "a segmentation has no evaluation.feature_statistics": scoring.feature_statistics,
        "a segmentation has no evaluation.subgroups yet": bool(scoring.subgroups),
        "the candidates of a series have labels, not masks: leave sample: candidate": (
            images.sample == "candidate"
        ),
        "model.slices joins the slices of a volume, and a mask has them apart": (
            plan.model.slices is not None
        ),
        "model.dropout is of dense heads": plan.model.dropout > 0,
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _why_unfit_other(plan: Plan) -> str:
    model = plan.model
    own = {
        "training.loss": plan.training.loss != "task",
        "evaluation.metric: " + plan.evaluation.metric: plan.evaluation.metric in METRICS,
        "model.encoder": model.encoder is not None,
        "model.width": model.width is not None,
        "model.levels": model.levels is not None,
        "model.residual": model.residual,
        "model.deep_supervision": model.deep_supervision,
    }
    found = next((key for key, is_so in own.items() if is_so), "")
    return found and f"{found} belongs to task.type: segmentation"
