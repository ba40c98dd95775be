"""What a segmentation or detection needs of its plan's other sections, and what is theirs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfl_common.parts.losses import BUILT_IN_LOSSES

if TYPE_CHECKING:
    from medfl_common.plan.plan import Plan
    from medfl_common.plan.settings import Settings

MASK_LOSSES = tuple(name for name in BUILT_IN_LOSSES if name != "task")
MASK_METRICS = ("dice", "nsd", "hd95")  # of a segmentation; it has the loss, too
BOX_METRICS = ("froc", "ap50")  # of a detection; it has the loss, too
USUAL_METRIC = {"segmentation": "dice", "detection": "froc"}
LOWER_IS_BETTER = ("loss", "hd95")
WINDOW_OVERLAP = 0.5  # of a window with the next, where an image is larger than the network's
WINDOW_SPREAD = 1 / 8  # deviation of the Gaussian by which a window's places count, in its sides
MOST_TRUTHS = 1000  # of an image, of all classes: what a list of boxes may have
MOST_PEAKS = 100  # of a class in an image, the surest, before boxes alike are joined
FROM_SCORE = 0.3  # a box is told from this score on, where nobody says another
SAME_BOX = 0.5  # at more than this intersection over union two boxes of a class are one


def why_unfit_dense(plan: Plan) -> str:
    """Say which setting does not go with the plan's task; empty: all do."""
    return _why_unfit(plan) if plan.task.is_dense else _why_unfit_other(plan)


def _why_unfit(plan: Plan) -> str:
    scoring, training, images = plan.evaluation, plan.training, plan.images
    a_task = f"a {plan.task.type}"
    own = MASK_METRICS if plan.task.has_masks else BOX_METRICS
    label = "masks" if plan.task.has_masks else "boxes"
    reasons = {
        f"{a_task} is scored by {', '.join(own)} or loss, not by "
        f"evaluation.metric: {scoring.metric}": scoring.metric not in (*own, "loss"),
        f"{a_task} has no training.label_smoothing": training.label_smoothing > 0,
        **_of_own_loss(plan),
        f"{a_task} has no training.class_balance: weights; use sampling"
        f"{', or the loss' if plan.task.has_masks else ''}": training.class_balance == "weights",
        f"{a_task} has no evaluation.feature_statistics": scoring.feature_statistics,
        f"{a_task} has no evaluation.membership": scoring.membership,
        f"{a_task} has no evaluation.own_metrics yet": bool(scoring.own_metrics),
        f"{a_task} has no evaluation.subgroups yet": bool(scoring.subgroups),
        f"the candidates of a series have labels, not {label}: leave sample: candidate": (
            images.sample == "candidate"
        ),
        "model.slices joins the slices of a volume, and a dense network has them apart": (
            plan.model.slices is not None
        ),
        "model.dropout is of dense heads": plan.model.dropout > 0,
        **(_of_boxes(plan) if plan.task.has_boxes else {}),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _of_own_loss(plan: Plan) -> dict[str, bool]:
    """Say which settings are of medfl's losses, where the plan has its own."""
    training = plan.training
    own = training.own_loss
    return {
        f"training.loss: {own} is a plan's own, which no training.label_smoothing goes with": (
            bool(own) and training.label_smoothing > 0
        ),
        f"training.loss: {own} is a plan's own, which no class_balance: weights goes with": (
            bool(own) and training.class_balance == "weights"
        ),
        f"training.loss: {own} sees the finest level; leave model.deep_supervision": (
            bool(own) and plan.model.deep_supervision
        ),
    }


def _of_boxes(plan: Plan) -> dict[str, bool]:
    training, changes = plan.training, plan.training.augmentation
    return {
        f"training.loss: {training.loss} is of masks; a detection has its own": (
            training.loss != "task"
        ),
        "augmentation.elastic bends, and a box stays one: leave it out": changes.elastic > 0,
        "augmentation.rotation_3d_deg turns a box out of its axes: leave it out": (
            changes.rotation_3d_deg > 0
        ),
        "model.deep_supervision is of masks": plan.model.deep_supervision,
        **_unused_by_boxes(plan),
    }


def _unused_by_boxes(plan: Plan) -> dict[str, bool]:
    """Say which settings differ from their defaults, and would do nothing in a detection."""
    scoring, training = plan.evaluation, plan.training
    settings: tuple[tuple[str, Settings, str, str], ...] = (
        ("evaluation", scoring, "threshold", "predict has --threshold, and the report all of them"),
        ("evaluation", scoring, "specificity", "the FROC has false positives an image"),
        ("evaluation", scoring, "surface_mm", "it is of masks"),
        ("evaluation", scoring, "manufacturers", "there are no subgroups yet"),
        ("training", training, "feature_copies", "its decoder is never frozen"),
    )
    return {
        f"a detection has no {section}.{name}: {why}": (
            getattr(own, name) != type(own).model_fields[name].get_default()
        )
        for section, own, name, why in settings
    }


def _why_unfit_other(plan: Plan) -> str:
    model, dense = plan.model, "a segmentation or detection"
    metric = plan.evaluation.metric
    own = {
        "training.loss": plan.training.loss in MASK_LOSSES,
        f"evaluation.metric: {metric}": metric in (*MASK_METRICS, *BOX_METRICS),
        "model.encoder": model.encoder is not None,
        "model.width": model.width is not None,
        "model.levels": model.levels is not None,
        "model.residual": model.residual,
        "images.patch": plan.images.patch is not None,
        "model.deep_supervision": model.deep_supervision,
    }
    found = next((key for key, is_so in own.items() if is_so), "")
    others = (reason for reason, is_so in _of_own_loss(plan).items() if is_so)
    return f"{found} belongs to {dense}" if found else next(others, "")
