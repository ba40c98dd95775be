"""What every number of a reply must be, given the plan, the task and the site; by field."""

from collections.abc import Mapping

import numpy as np
import torch

from medfl_common.errors import CODES, RunError
from medfl_common.metrics.clusters import DesignEffects
from medfl_common.metrics.counts import Counts, ScoreCounts
from medfl_common.metrics.feature_moments import FeatureMoments
from medfl_common.metrics.site_statistics import COUNTS, N_INTENSITY_BINS, PARTS, SiteStatistics
from medfl_common.models.norms import RUNNING, is_statistic
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import Task
from medfl_common.wire.membership_numbers import check_membership
from medfl_common.wire.participant_numbers import check_participants
from medfl_common.wire.read_numbers import MAX_COUNT, MAX_LOSS
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask
from medfl_server.aggregation.box_invariants import check_boxes
from medfl_server.aggregation.mask_invariants import check_masks

MAX_SECONDS = 1e8  # of work on one task: three years
MAX_INCIDENT = 10**9
# A site scores at most so many images for one that it trains on, times what the plan's split says;
# patients differ in how many images they have, so a small site may be far from the split.
MAX_RATIO, FEW = 1000, 100
ROUNDING = 1e-6  # a loss or a variance of 0 may come out as little below it
MAX_STATISTIC = 1e8  # a running mean or variance; those of real models stay below 1e5
MAX_SKEW = 1e-3  # of the largest variance: so far below 0 rounded numbers may bring another
MAX_GROWTH = 1000.0  # in one round, times the largest value of the same tensor, or 1


def check_failure(result: TrainResult) -> None:
    """Raise RunError unless a reply with a code says what a site can say."""
    if not 0 < result.code <= max(CODES) or not 0 <= result.incident < MAX_INCIDENT:
        raise RunError("the reply's code or incident is none")


def check_numbers(
    result: TrainResult, task: TrainTask, max_images: int, n_trained: int | None = None
) -> None:
    """Raise RunError unless each number of a reply can be true.

    Args:
        result: The reply.
        task: What was asked.
        max_images: The most that the site has, as stated at enrolment.
        n_trained: On how many images it trained in the last round that is known; None: none is.
    """
    if task.kind == "train":
        _check_training(result, task.plan, max_images)
    if task.kind == "describe" and result.statistics is None:
        raise RunError("the reply has no statistics")
    if not result.is_finite:
        raise RunError("a weight, loss or metric is a NaN or an infinity")
    _check_between("seconds", result.seconds, 0.0, MAX_SECONDS)
    _check_between("train_loss", result.train_loss, -ROUNDING, MAX_LOSS)
    _check_between("start_loss", result.start_loss or 0.0, -MAX_LOSS, MAX_LOSS)
    _check_between("exact_auc", result.exact_auc or 0.0, 0.0, 1.0)
    if result.score_counts is not None:
        n = result.n_images or n_trained
        _check_scores(result.score_counts, task.plan, _most_scored(task.plan, n, max_images))
    if result.mask_counts is not None:
        n = result.n_images or n_trained
        check_masks(result.mask_counts, task, _most_scored(task.plan, n, max_images))
    if result.box_counts is not None:
        n = result.n_images or n_trained
        check_boxes(result.box_counts, task, _most_scored(task.plan, n, max_images))
    _check_groups(result)
    if result.features is not None:
        _check_features(result.features, task, max_images)
    if result.membership is not None:
        check_membership(result.membership, task.kind, n_trained, max_images)
    _check_described(result, task)


def check_running_statistics(
    update: Mapping[str, torch.Tensor], before: Mapping[str, torch.Tensor]
) -> None:
    """Raise RunError unless a site's running means and variances can come of training.

    Args:
        update: What changes the weights.
        before: The weights that it changes.
    """
    for name in filter(is_statistic, update):
        if name not in before or not before[name].numel():
            continue
        own, size = before[name].double() + update[name].double(), float(before[name].abs().max())
        most = min(MAX_STATISTIC, MAX_GROWTH * max(size, 1.0))
        if float(own.abs().max()) > most:
            raise RunError(
                f"a running statistic is {float(own.abs().max()):.3g}; {most:.3g} is the most that "
                "the round before makes likely"
            )
        if name.endswith(RUNNING[1]) and float(own.min()) < -ROUNDING * max(size, 1.0):
            raise RunError(f"a running variance is {float(own.min()):.3g}, less than 0")


def _check_between(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise RunError(f"{name} is {value:g}; {least:g} to {most:g} is possible")


def _check_training(result: TrainResult, plan: Plan, max_images: int) -> None:
    if result.update is None:
        raise RunError("the reply has no update")
    if not 1 <= result.n_images <= max_images:
        raise RunError(f"n_images is {result.n_images}; 1 to {max_images} is possible")
    noise, most_steps = plan.privacy.noise, plan.training.most_epochs * result.n_images
    fewest = 1 if noise is None else noise.steps
    most_steps = most_steps if noise is None else noise.steps
    if not fewest <= result.n_steps <= most_steps:
        raise RunError(f"n_steps is {result.n_steps}; {fewest} to {most_steps} is possible")
    if noise is not None and result.n_images < noise.least_patients:
        raise RunError(
            f"{result.n_images} patients are told; privacy.noise.least_patients is "
            f"{noise.least_patients}"
        )
    algorithm, loss = at_coordinator(plan.federation), result.start_loss
    if algorithm.needs_start_loss and (loss is None or loss < 0):
        raise RunError(f"start_loss is {loss}; {algorithm.name} needs one that is not negative")


def _most_scored(plan: Plan, n_trained: int | None, max_images: int) -> int:
    """Count the images that a site can have scored at the most."""
    share = min(plan.evaluation.validation, 0.99)
    ratio = MAX_RATIO * share / (1 - share)
    return min(max_images, FEW + int(ratio * n_trained) if n_trained else MAX_COUNT)


def _check_scores(counts: ScoreCounts, plan: Plan, most: int) -> None:
    """Check that all counts are of the same images; a policy may keep some of a curve back."""
    is_multilabel = plan.task.type == "multilabel"  # then not every finding is known of every image
    per_image = counts.confusion.sum(axis=(1, 2)).max() if is_multilabel else counts.confusion.sum()
    adds_up = per_image <= counts.n if is_multilabel else per_image == counts.n
    if not adds_up or not 1 <= counts.n <= MAX_COUNT:
        raise RunError(f"the confusion counts do not add up to n_scored {counts.n}")
    if counts.n > most:
        raise RunError(f"n_scored is {counts.n}; 1 to {most} is possible")
    _check_between("loss", counts.loss, -ROUNDING, MAX_LOSS)
    _check_curves(counts, plan.task)
    _check_clusters(counts)


def _check_curves(counts: ScoreCounts, task: Task) -> None:
    """Check that a score histogram counts no more images than the confusion does."""
    positive, negative = _by_class(counts.confusion, task)
    if (counts.positive.sum(axis=1) > positive).any() or (
        counts.negative.sum(axis=1) > negative
    ).any():
        raise RunError("a histogram of scores counts more images than the confusion counts")


def _check_clusters(counts: ScoreCounts) -> None:
    """Check that no more patients than images were scored."""
    told = counts.clusters
    n = told.n_patients if isinstance(told, DesignEffects) else None
    if n is not None and n > counts.n:
        raise RunError(f"{n} patients of {counts.n} images are not possible")


def _by_class(confusion: Counts, task: Task) -> tuple[Counts, Counts]:
    """Count the images of each class, and the rest, as the histograms have them."""
    if task.type == "multilabel":
        return confusion[:, 1].sum(axis=1), confusion[:, 0].sum(axis=1)
    per_class: Counts = confusion.sum(axis=1)
    per_class = per_class[1:] if task.type == "binary" else per_class
    return per_class, np.asarray(confusion.sum() - per_class)


def _check_features(found: FeatureMoments, task: TrainTask, max_images: int) -> None:
    """Check that moments of features are of images that the site has, and can be."""
    if task.kind != "evaluate" or not 1 <= found.n <= max_images:
        raise RunError(f"features of {found.n} images were not asked for, or are not possible")
    least, most = np.linalg.eigvalsh(found.covariance)[[0, -1]]
    if least < -MAX_SKEW * max(float(most), ROUNDING):
        raise RunError("the features' covariance is none: a variance is negative")


def _check_groups(result: TrainResult) -> None:
    """Groups of one kind are parts of the whole; their bins may be joined otherwise than its."""
    for kind, groups in result.groups.items():
        whole = result.score_counts
        for group in groups:
            _check_between("loss of a group", group.loss, -ROUNDING, MAX_LOSS)
        parts = zip(*map(_totals, groups), strict=True)
        if whole is None or any(
            (sum(part) > total).any() for part, total in zip(parts, _totals(whole), strict=True)
        ):
            raise RunError(f"the groups by {kind} count more images than were scored")


def _totals(counts: ScoreCounts) -> tuple[Counts, Counts, Counts]:
    return counts.confusion, counts.positive.sum(axis=-1), counts.negative.sum(axis=-1)


def _check_described(result: TrainResult, task: TrainTask) -> None:
    """Check what a site counts of its data, and how its files became its parts."""
    if result.statistics is not None:
        _check_statistics(result.statistics, task.plan.task)
    if result.participants is None:
        return
    if task.kind != "describe" or result.statistics is None:
        raise RunError("a flow of participants that was not asked for, or without statistics")
    check_participants(result.participants, result.statistics, task.plan.task)


def _check_statistics(found: SiteStatistics, task: Task) -> None:
    """Check that no list counts more than the samples that the site says it has."""
    if not 0 <= found.samples <= MAX_COUNT or not 0 <= found.patients <= found.samples:
        raise RunError(f"{found.samples} samples of {found.patients} patients are not possible")
    if not 0 <= found.left_out <= MAX_COUNT:
        raise RunError(f"left_out is {found.left_out}; 0 to {MAX_COUNT} is possible")
    for name in COUNTS:
        counts = getattr(found, name)
        overlaps = name == "classes" and task.has_several
        if (max(counts) if overlaps else sum(counts)) > found.samples:
            raise RunError(f"{name} counts more than the {found.samples} samples")
    if sum(found.greys) > PARTS + N_INTENSITY_BINS:
        raise RunError(f"greys has more than {PARTS} parts")
