"""Results as Flower records, and back: the only file with their record keys.

A result carries arrays and numbers, nothing else: there is no field in which a name or a path
could leave.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from flwr.app import MetricRecord, RecordDict
from numpy.typing import NDArray

from medfl_common.errors import RunError
from medfl_common.metrics.box_counts import BoxCounts
from medfl_common.metrics.counts import N_BINS, ScoreCounts
from medfl_common.metrics.effect_numbers import (
    CLUSTERS,
    clusters_from_numbers,
    clusters_to_numbers,
    n_numbers,
)
from medfl_common.metrics.feature_moments import FeatureMoments
from medfl_common.metrics.mask_counts import MaskCounts
from medfl_common.metrics.membership import Membership
from medfl_common.metrics.participants import Participants
from medfl_common.metrics.site_statistics import NUMBERS, SiteStatistics, lengths
from medfl_common.metrics.subgroups import KINDS, Groups, group_names, score_counts_of_group
from medfl_common.models.norms import is_statistic
from medfl_common.models.weights import Weights, largest, norm
from medfl_common.plan.halves import at_coordinator
from medfl_common.plan.plan import Plan
from medfl_common.plan.task import Task
from medfl_common.wire.dense_results import DENSE_NAMES, dense_numbers, read_boxes, read_masks
from medfl_common.wire.device import DEVICE, DEVICES, Device, read_device
from medfl_common.wire.digest import MASKED, PART
from medfl_common.wire.membership_numbers import MEMBERSHIP, membership_numbers, read_membership
from medfl_common.wire.participant_numbers import (
    PARTICIPANTS,
    participant_numbers,
    read_participants,
)
from medfl_common.wire.protocol import PROTOCOL
from medfl_common.wire.read_numbers import read_counts, read_integer, read_number
from medfl_common.wire.secure_sum import add_sum
from medfl_common.wire.tensors import Shapes, codec_of, decode_weights, encode_weights
from medfl_common.wire.versions import read_versions

Numbers = dict[str, int | float | list[int] | list[float]]
COUNTED = ("confusion", "positive", "negative")  # the counts of score counts
# Every name under which a number may leave a hospital: lists of counts, and single numbers.
GROUPED = {f"{kind}_{part}" for kind in KINDS for part in COUNTED}
LISTS = {
    *COUNTED, *GROUPED, *(f"data_{name}" for name in lengths(0)), "versions", CLUSTERS,
    *DENSE_NAMES, *MEMBERSHIP, *PARTICIPANTS,
}  # fmt: skip
HEAD = "protocol plan round nonce code incident n_images n_steps train_loss seconds"
SCORED = ("n_scored", "loss", "exact_auc", "start_loss")
FEATURES = "features"  # a list of moments: the only one that holds no counts
SINGLE = {*HEAD.split(" "), *SCORED, DEVICE, *(f"data_{name}" for name in NUMBERS)}


@dataclass(frozen=True)
class TrainResult:
    """What leaves a hospital: an update, counts and the numbers that bind them to the task."""

    plan: int  # first 62 bits of the plan's hash
    round: int
    nonce: int
    code: int = 0  # 0, or the MEDFL-E code of a failure
    incident: int = 0  # joins the code to the site's local log
    n_images: int = 0  # images trained on: the weight of the update
    n_steps: int = 0  # optimiser steps made
    train_loss: float = 0.0  # mean over the images of the last local epoch
    start_loss: float | None = None  # of the task's weights on the training images, if asked for
    seconds: float = 0.0  # from task to reply at the site
    score_counts: ScoreCounts | None = None  # the task's weights on the site's validation images
    mask_counts: MaskCounts | None = None  # the same of a segmentation, instead
    box_counts: BoxCounts | None = None  # the same of a detection, instead
    exact_auc: float | None = None  # the same, from the scores themselves
    update: Weights | None = None  # local minus global
    statistics: SiteStatistics | None = None  # of the site's data, where the task was to describe
    # Of the final model, by the plan's kinds of groups: see medfl_common.metrics.subgroups.
    groups: Groups = field(default_factory=dict)
    # Of the final model's features of the validation images, where plan and policy allow it.
    features: FeatureMoments | None = None
    membership: Membership | None = None  # of the final model, where plan and policy allow it
    # Of medfl, torch and Python at the site, three numbers each; see medfl_common.wire.versions.
    versions: tuple[int, ...] | None = None
    device: Device | None = None  # that did the work
    participants: Participants | None = None  # beside statistics, where the plan asks for them
    masked: NDArray[np.uint32] | None = None  # (P,) in a secure sum, in place of all else
    part: bytes = b""  # the answer to a small trip of a secure sum

    @property
    def is_scored(self) -> bool:
        """Say whether it has scores."""
        return any(counts is not None for counts in self._scored)

    @property
    def _scored(self) -> tuple[ScoreCounts | MaskCounts | BoxCounts | None, ...]:
        return self.score_counts, self.mask_counts, self.box_counts

    def without_scores(self) -> "TrainResult":
        """Take out all that was scored."""
        own = replace(self, score_counts=None, mask_counts=None, box_counts=None)
        return replace(own, groups={}, features=None, membership=None)

    def without_arrays(self) -> "TrainResult":
        """Take out what is large."""
        return replace(self, update=None, masked=None, part=b"")

    @cached_property
    def update_norm(self) -> float:
        """Norm of the update, running statistics apart; summed once for all who ask."""
        return norm({n: t for n, t in (self.update or {}).items() if not is_statistic(n)})

    @cached_property
    def largest(self) -> list[float]:
        """Largest absolute value of each tensor of the update; NaN where one is in it."""
        return [largest(tensor) for tensor in (self.update or {}).values()]

    @property
    def is_finite(self) -> bool:
        """Say whether every number and every weight is finite; both ends ask."""
        numbers = [self.train_loss, self.start_loss or 0.0, self.seconds, self.exact_auc or 0.0]
        numbers += [counts.loss for counts in self._scored if counts is not None]
        return all(map(math.isfinite, [*numbers, *self.largest]))


def plan_number(plan: Plan) -> int:
    """Give the part of the plan's hash that a reply carries, 0..2**62-1."""
    return int(plan.hash()[:16], 16) >> 2


def encode_result(result: TrainResult, plan: Plan | None = None) -> RecordDict:
    """Write a result as one record of numbers and, if it has an update, one of arrays.

    The plan says in what form an update travels.
    """
    content = RecordDict({"numbers": MetricRecord({**numbers_of(result)})})
    if result.update is not None:
        codec = codec_of(plan.federation.messages) if plan is not None else None
        content["update"] = encode_weights(result.update, codec)
    add_sum(content, result.masked, result.part)
    return content


def numbers_of(result: TrainResult) -> Numbers:
    """Write what a result has besides arrays."""
    numbers: Numbers = {
        "protocol": PROTOCOL,
        "plan": result.plan,
        "round": result.round,
        "nonce": result.nonce,
        "code": result.code,
        "incident": result.incident,
        "n_images": result.n_images,
        "n_steps": result.n_steps,
        "train_loss": result.train_loss,
        "seconds": result.seconds,
    }
    if result.score_counts is not None:
        numbers |= _numbers_of_scores(result.score_counts)
    for counts in (result.mask_counts, result.box_counts):
        numbers |= {} if counts is None else dense_numbers(counts)
    for kind, groups in result.groups.items():
        numbers |= _numbers_of_groups(kind, groups)
    single = {"exact_auc": result.exact_auc, "start_loss": result.start_loss}
    numbers |= {name: value for name, value in single.items() if value is not None}
    if result.statistics is not None:
        for name, value in vars(result.statistics).items():
            numbers[f"data_{name}"] = value if isinstance(value, int) else [*value]
    if result.versions is not None:
        numbers["versions"] = [*result.versions]
    numbers |= {} if result.device is None else {DEVICE: DEVICES.index(result.device)}
    numbers |= membership_numbers(result.membership) | participant_numbers(result.participants)
    if result.features is not None:
        numbers[FEATURES] = result.features.to_numbers()
    return numbers


def _numbers_of_scores(counts: ScoreCounts) -> Numbers:
    numbers: Numbers = {"n_scored": counts.n, "loss": counts.loss}
    numbers |= {part: getattr(counts, part).ravel().tolist() for part in COUNTED}
    told = clusters_to_numbers(counts.clusters)
    return numbers if told is None else {**numbers, CLUSTERS: told}


def _numbers_of_groups(kind: str, groups: Sequence[ScoreCounts]) -> Numbers:
    return {
        f"{kind}_{part}": np.stack([getattr(one, part) for one in groups]).ravel().tolist()
        for part in COUNTED
    }


def decode_result(content: RecordDict, shapes: Shapes, plan: Plan) -> TrainResult:
    """Read a result but for its secure sum; raises RunError that says what does not fit."""
    known = {"numbers", "update", "seal", *((MASKED, PART) if plan.privacy.secure_sum else ())}
    if set(content) - known or "numbers" not in content.metric_records:
        raise RunError("the reply holds other records than numbers, update and seal")
    numbers = content.metric_records["numbers"]
    spoken = read_number(numbers, "protocol")
    if spoken != PROTOCOL:
        raise RunError(
            f"the site speaks protocol {spoken}, this coordinator {PROTOCOL}",
            todo="use the same version of medfl at both ends",
            who="the coordinator",
        )
    update, task = content.array_records.get("update"), plan.task
    codec = codec_of(plan.federation.messages)
    is_asked = at_coordinator(plan.federation).needs_start_loss
    has_start_loss = is_asked and "start_loss" in numbers
    is_scored = "n_scored" in numbers
    return TrainResult(
        plan=read_integer(numbers, "plan"),
        round=read_integer(numbers, "round"),
        nonce=read_integer(numbers, "nonce"),
        code=read_integer(numbers, "code"),
        incident=read_integer(numbers, "incident"),
        n_images=read_integer(numbers, "n_images"),
        n_steps=read_integer(numbers, "n_steps"),
        train_loss=float(read_number(numbers, "train_loss")),
        seconds=float(read_number(numbers, "seconds")),
        score_counts=_score_counts(numbers, task) if is_scored and not task.is_dense else None,
        mask_counts=read_masks(numbers, task) if is_scored and task.has_masks else None,
        box_counts=read_boxes(numbers, task) if is_scored and task.has_boxes else None,
        exact_auc=float(read_number(numbers, "exact_auc")) if "exact_auc" in numbers else None,
        start_loss=float(read_number(numbers, "start_loss")) if has_start_loss else None,
        update=decode_weights(update, shapes, codec) if update is not None else None,
        statistics=_statistics(numbers, task) if "data_samples" in numbers else None,
        groups=_groups(numbers, plan),
        features=_features(numbers) if plan.evaluation.feature_statistics else None,
        membership=read_membership(numbers, plan),
        versions=read_versions(numbers) if "versions" in numbers else None,
        device=read_device(numbers),
        participants=read_participants(numbers, plan),
    )


def _score_counts(numbers: MetricRecord, task: Task) -> ScoreCounts:
    n = n_numbers(task.n_outputs)
    told = read_counts(numbers, CLUSTERS, (n,)) if CLUSTERS in numbers else None
    return ScoreCounts(
        n=read_integer(numbers, "n_scored"),
        loss=float(read_number(numbers, "loss")),
        confusion=read_counts(numbers, "confusion", task.confusion_shape),
        positive=read_counts(numbers, "positive", (task.n_outputs, N_BINS)),
        negative=read_counts(numbers, "negative", (task.n_outputs, N_BINS)),
        clusters=None if told is None else clusters_from_numbers(told),
    )


def _groups(numbers: MetricRecord, plan: Plan) -> dict[str, list[ScoreCounts]]:
    found: dict[str, list[ScoreCounts]] = {}
    if not plan.evaluation.subgroups:
        return found
    for kind, names in group_names(plan).items():
        if f"{kind}_confusion" not in numbers:
            continue
        curves = (len(names), plan.task.n_outputs, N_BINS)
        shapes = ((len(names), *plan.task.confusion_shape), curves, curves)
        parts = [
            read_counts(numbers, f"{kind}_{p}", s) for p, s in zip(COUNTED, shapes, strict=True)
        ]
        found[kind] = [score_counts_of_group(*counts) for counts in zip(*parts, strict=True)]
    return found


def _statistics(numbers: MetricRecord, task: Task) -> SiteStatistics:
    single = {name: read_integer(numbers, f"data_{name}") for name in NUMBERS}
    lists = {
        name: tuple(read_counts(numbers, f"data_{name}", (length,)).tolist())
        for name, length in lengths(len(task.classes)).items()
    }
    if min(single.values()) < 0:
        raise RunError("the reply counts fewer than none")
    return SiteStatistics(**single, **lists)  # type: ignore[arg-type]


def _features(numbers: MetricRecord) -> FeatureMoments | None:
    told = numbers.get(FEATURES)
    if told is None:
        return None
    try:
        return FeatureMoments.of_numbers([float(n) for n in told])  # type: ignore[union-attr]
    except (TypeError, ValueError):
        raise RunError("the reply's features are no moments") from None
