"""The last look at a finished message, whatever made it: what is not listed does not leave."""

import math
from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from numpy.typing import NDArray

from medfl_client.config.site_file import Policy
from medfl_client.egress.box_rules import check_boxes
from medfl_client.egress.feature_rules import why_not
from medfl_client.egress.held_back import held_back
from medfl_client.egress.mask_rules import check_masks
from medfl_client.egress.noise_rules import check_noisy
from medfl_client.egress.participant_rules import check_participants
from medfl_client.egress.sums.released import why_not_only_masked
from medfl_common.errors import LinkError, MedflError, reason_of
from medfl_common.metrics.box_numbers import BOX_NAMES, box_shapes
from medfl_common.metrics.counts import N_BINS, N_COARSE_BINS, bin_places
from medfl_common.metrics.effect_numbers import CLUSTERS
from medfl_common.metrics.mask_numbers import EFFECTS, NAMES, shapes
from medfl_common.models.weights import is_finite
from medfl_common.plan.plan import Plan
from medfl_common.wire.digest import MASKED, PART
from medfl_common.wire.membership_numbers import MEMBERSHIP, small_counts
from medfl_common.wire.results import FEATURES, LISTS, SINGLE, decode_result, numbers_of
from medfl_common.wire.tensors import (
    FLAT,
    WHOLE,
    Shapes,
    codec_of,
    decode_weights,
    header,
    layout_of,
)

# The records that may leave, each with its only type. A new one is its own line and its own reason.
RECORDS: dict[str, type] = {
    "numbers": MetricRecord,
    "update": ArrayRecord,
    MASKED: ArrayRecord,  # of a secure sum, in place of all else that is of the data
    PART: ArrayRecord,  # keys and sealed shares of a secure sum, as bytes
}
NOTHING_MORE: Mapping[str, tuple[str, int]] = {}


def inspect(
    content: RecordDict,
    plan: Plan | None,
    shapes: Shapes,
    policy: Policy,
    expected: Mapping[str, tuple[str, int]] = NOTHING_MORE,
) -> None:
    """Raise DisclosureError unless the message holds listed things only.

    Args:
        content: The message as it would be sent.
        plan: What it answers; None: the task could not be read, and only a code may leave.
        shapes: The update's tensors.
        policy: The site's.
        expected: Type and length of the one array of a secure sum's records that may leave.
    """
    for name, record in content.items():
        if type(record) is not RECORDS.get(name):
            raise held_back("a record that is not on the list")
    if "numbers" not in content:
        raise held_back("a reply without numbers")
    numbers = content.metric_records["numbers"]
    for name, value in numbers.items():
        _check_number(name, value)
    _check_sum(content, plan, expected)
    if "update" in content:
        _check_update(content.array_records["update"], plan, shapes)
    _check_n_images(numbers, policy, "update" in content)
    check_participants(numbers, plan, policy, "update" in content)
    if FEATURES in numbers:
        _check_features(numbers, plan, policy, "update" in content)
    if plan is None and (len(content) > 1 or any(name in numbers for name in LISTS)):
        raise held_back("more than a code, for a task that could not be read")
    if plan is not None:
        _check_structure(content, plan, shapes)
        _check_cells(content, plan, policy)
        if plan.privacy.noise is not None:
            check_noisy(content, plan, plan.privacy.noise)


def _check_number(name: str, value: object) -> None:
    if name == FEATURES:
        if type(value) is not list or not all(type(v) is float and math.isfinite(v) for v in value):
            raise held_back("features are not finite numbers")
        return
    if name not in LISTS | SINGLE:
        raise held_back("a number under a name that is not on the list")
    is_right = type(value) is list if name in LISTS else type(value) in (int, float)
    if not is_right or (isinstance(value, list) and any(type(v) is not int for v in value)):
        raise held_back(f"{name} is not a number, or not a list of counts")
    if isinstance(value, float) and not math.isfinite(value):
        raise held_back("a weight, loss or metric is a NaN or an infinity")


def _check_sum(
    content: RecordDict, plan: Plan | None, expected: Mapping[str, tuple[str, int]]
) -> None:
    """Of a plan with secure sums nothing of the data stands open, and one array has its length."""
    if plan is None or plan.privacy.secure_sum is None:
        if MASKED in content or PART in content:
            raise held_back("a record of a secure sum, which the plan has not")
        return
    numbers = content.metric_records["numbers"]
    if why := why_not_only_masked({*content}, numbers):
        raise held_back(why)
    found = {MASKED, PART} & set(content)
    if found != set(expected):
        raise held_back("the reply has not the record of a secure sum that was asked for")
    for name, (dtype, n) in expected.items():
        record = content.array_records[name]
        if [*record] != [FLAT]:
            raise held_back("the record of a secure sum has other arrays")
        _check_array(record[FLAT], dtype, n)


def _check_update(record: ArrayRecord, plan: Plan | None, shapes: Shapes) -> None:
    """The arrays in which the plan's update travels, each header to the byte, and finite."""
    codec = codec_of(plan.federation.messages) if plan is not None else None
    layout = layout_of(shapes, codec)
    if set(record) != set(layout):
        raise held_back("the update is not the plan's: it has other arrays")
    for name, (dtype, n) in layout.items():
        _check_array(record[name], dtype, n)
    if codec is not None:
        try:
            values = decode_weights(record, shapes, codec)
        except LinkError as error:
            raise held_back(f"the update is not the plan's: {error.what}") from None
        if not is_finite(values):
            raise held_back("a weight, loss or metric is a NaN or an infinity")


def _check_array(array: Array, dtype: str, n: int) -> None:
    start = header(dtype, n)
    if (array.dtype, tuple(array.shape), array.stype) != (dtype, (n,), "numpy.ndarray"):
        raise held_back("the update is not the plan's: its header says another size or type")
    if len(array.data) != len(start) + np.dtype(dtype).itemsize * n:
        raise held_back("the update is not the plan's: its bytes are not those of its size")
    if not array.data.startswith(start):
        raise held_back("the update is not the plan's: its bytes are not those of its size")
    if dtype == WHOLE:
        values = np.frombuffer(array.data, np.float32, offset=len(start))
        if not np.isfinite(np.add.reduce(values, dtype=np.float64)):  # one that is not stays one
            raise held_back("a weight, loss or metric is a NaN or an infinity")


def _check_n_images(numbers: MetricRecord, policy: Policy, has_update: bool) -> None:
    n = numbers.get("n_images", 0)
    is_too_few = not isinstance(n, int) or n < policy.min_images
    if is_too_few and (n != 0 or has_update):
        raise held_back(f"trained on {n} images, {policy.min_images} are the fewest", "min_images")


def _check_features(
    numbers: MetricRecord, plan: Plan | None, policy: Policy, has_update: bool
) -> None:
    """Moments of features leave of enough images, where plan and policy ask, in no round."""
    told = numbers[FEATURES]
    n = int(told[0]) if isinstance(told, list) and told else 0
    setting = "share_features" if plan is None or has_update else why_not(n, plan, policy)
    if setting:
        raise held_back(f"features of {n} images", setting)


def _check_structure(content: RecordDict, plan: Plan, shapes: Shapes) -> None:
    """Every list has the length that the plan gives it, and counts are counts."""
    numbers = content.metric_records["numbers"]
    try:
        result = decode_result(RecordDict({"numbers": numbers}), shapes, plan)
    except (MedflError, ValueError, TypeError, OverflowError) as error:
        why = reason_of(error, "its numbers are not of their type")
        raise held_back(f"the reply is not one of this plan: {why}") from None
    if numbers_of(result) != dict(numbers):
        raise held_back("numbers of which a coordinator makes nothing")


def _check_cells(content: RecordDict, plan: Plan, policy: Policy) -> None:
    """Every class is absent or has at least the smallest cell of images, in groups too."""
    numbers, size = content.metric_records["numbers"], plan.task.confusion_shape[-1]
    has_masks, is_told = plan.task.has_masks, {*NAMES, EFFECTS, *BOX_NAMES} & set(numbers)
    if is_told:
        n = len(plan.task.foreground)
        own: Mapping[str, tuple[int, ...]] = (
            shapes(n, EFFECTS in numbers) if has_masks else box_shapes(n)
        )
        told = {key: np.array(numbers[key]).reshape(shape) for key, shape in own.items()}
        check = check_masks if has_masks else check_boxes
        if why := check(told, policy.min_cell, "update" in content):
            raise held_back(why, "min_cell")
    if small_counts(numbers, policy.min_cell):
        raise held_back("counts of few images by membership", "min_cell")
    for name in LISTS & set(numbers):
        if name in MEMBERSHIP and ("update" in content or not policy.shares("scores")):
            raise held_back("counts by membership beside an update, or kept back", "metrics")
        if name.endswith("confusion"):
            per_class = np.array(numbers[name]).reshape(-1, size).sum(axis=1)
            if any(0 < n < policy.min_cell for n in per_class.tolist()):
                raise held_back("the scores of a class with few images", "min_cell")
        if name == CLUSTERS:
            _check_patients(numbers[name], policy, "update" in content)
        if name.endswith("positive"):
            rest = numbers[name.replace("positive", "negative")]
            images = np.add(numbers[name], rest).reshape(-1, N_BINS)
            _check_bins(images, policy, "update" in content)


def _check_patients(told: object, policy: Policy, is_round: bool) -> None:
    """Design effects are of enough patients, or all 0, and of the last scorings only."""
    n, *effects = told if isinstance(told, list) else [0]
    if n < policy.min_cell and (n or any(effects)):
        raise held_back("design effects of few patients", "min_cell")
    if is_round:
        raise held_back("design effects beside an update")


def _check_bins(images: NDArray[np.int64], policy: Policy, is_round: bool) -> None:
    """Every bin has no image or at least the smallest cell; beside an update few bins are used."""
    if ((images > 0) & (images < policy.min_cell)).any():
        raise held_back("a bin of a histogram with few images", "min_cell")
    if is_round and np.delete(images, bin_places(N_COARSE_BINS), axis=1).any():
        raise held_back(f"a histogram of a round in more than {N_COARSE_BINS} bins")
