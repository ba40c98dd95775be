"""Tasks and results as Flower records, and back: the only file with record keys.

A task may carry text, since it goes to the hospital. A result carries arrays and numbers, nothing
else: there is no field in which a name or a path could leave.
"""

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from medfl_common.errors import LinkError, RunError
from medfl_common.metrics import N_BINS, Tally
from medfl_common.params import Weights, is_finite
from medfl_common.plan import Plan, Task, plan_from_json
from medfl_common.protocol import PROTOCOL
from medfl_common.record_values import counts, number, typed
from medfl_common.statistics import NUMBERS, SiteStatistics, lengths
from medfl_common.subgroups import KINDS, Groups, group_names, tally_of_counts

FLAT = "flat"  # the key of the one array in a record of weights
COUNTED = ("confusion", "positive", "negative")  # the counts of a tally
MAX_HEADER = 256  # bytes of an npy header before the data
# Every name under which a number may leave a hospital: lists of counts, and single numbers.
GROUPED = {f"{kind}_{part}" for kind in KINDS for part in COUNTED}
LISTS = {*COUNTED, *GROUPED, *(f"data_{name}" for name in lengths(0))}
HEAD = "protocol plan round nonce code incident n_images n_steps train_loss seconds"
SCORED = ("n_scored", "loss", "exact_auc")
SINGLE = {*HEAD.split(" "), *SCORED, *(f"data_{name}" for name in NUMBERS)}

Shapes = Mapping[str, tuple[int, ...]]
Kind = Literal["train", "evaluate", "describe"]


@dataclass(frozen=True)
class TrainTask:
    """What the coordinator asks of one site in one round."""

    kind: Kind  # train: score, then train; evaluate: score only; describe: tell of the data
    run: str  # the study run, 32 hex digits
    round: int  # train: the round to be made, from 1; evaluate: the last round made; describe: 0
    nonce: int  # the same whenever this run asks this site for this round, 0..2**62-1
    site: str  # the name under which the coordinator enrolled the site
    plan: Plan
    weights: Weights  # what is shared; describe: none
    start: Weights | None = None  # what is not, with the first task after a site has connected


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
    seconds: float = 0.0  # from task to reply at the site
    tally: Tally | None = None  # the task's weights on the site's validation images
    exact_auc: float | None = None  # the same, from the scores themselves
    update: Weights | None = None  # local minus global
    statistics: SiteStatistics | None = None  # of the site's data, where the task was to describe
    # Of the final model, by the plan's kinds of groups: see medfl_common.subgroups.
    groups: Groups = field(default_factory=dict)

    @property
    def is_finite(self) -> bool:
        """Say whether every number and every weight is finite; both ends ask."""
        numbers = [self.train_loss, self.seconds, self.exact_auc or 0.0]
        numbers += [self.tally.loss] if self.tally is not None else []
        return all(map(math.isfinite, numbers)) and is_finite(self.update or {})


def plan_number(plan: Plan) -> int:
    """Give the part of the plan's hash that a reply carries, 0..2**62-1."""
    return int(plan.hash()[:16], 16) >> 2


def encode_weights(weights: Weights) -> ArrayRecord:
    """Pack named float32 tensors into one array, by name in alphabetical order.

    One array, because Flower moves each array by requests of its own. That order, because a
    mapping's own differs between a model and a checkpoint.
    """
    if not weights:
        return ArrayRecord()
    flat = torch.cat([weights[name].reshape(-1) for name in sorted(weights)])
    return ArrayRecord({FLAT: Array(flat.numpy())})


def decode_weights(record: ArrayRecord, shapes: Shapes) -> Weights:
    """Unpack the tensors of these names and shapes.

    The header is checked before memory is taken: an array may lie about its size. Raises LinkError.
    """
    if set(record) != {FLAT}:
        raise LinkError(f"expected one array of weights, got {len(record)} of other names")
    names = sorted(shapes)
    sizes = [math.prod(shapes[name]) for name in names]
    parts = torch.split(_decode(record[FLAT], sum(sizes)), sizes)
    return {name: part.reshape(shapes[name]) for name, part in zip(names, parts, strict=True)}


def encode_task(
    task: TrainTask, weights: ArrayRecord | None = None, start: ArrayRecord | None = None
) -> RecordDict:
    """Write a task as records; `weights` and `start` may hold the task's already packed."""
    config: dict[str, int | str] = {
        "protocol": PROTOCOL,
        "kind": task.kind,
        "run": task.run,
        "round": task.round,
        "nonce": task.nonce,
        "site": task.site,
        "plan": task.plan.canonical(),
    }
    packed = weights if weights is not None else encode_weights(task.weights)
    content = RecordDict({"weights": packed, "task": ConfigRecord({**config})})
    if start is None and task.start is not None:
        start = encode_weights(task.start)
    if start is not None:
        content["start"] = start
    return content


def decode_task_head(content: RecordDict) -> TrainTask:
    """Read all of a task but the weights, which need the model's shapes."""
    config = content.config_records["task"]
    protocol = int(typed(config, "protocol", int))
    if protocol != PROTOCOL:
        raise LinkError(
            f"the coordinator speaks protocol {protocol}, this site {PROTOCOL}; both need the same "
            "version of medfl"
        )
    run = typed(config, "run", str)
    if not re.fullmatch(r"[0-9a-f]{32}", run):
        raise LinkError("the task's run is not 32 hex digits")
    kind = typed(config, "kind", str)
    if kind not in get_args(Kind):
        raise LinkError(
            f"the task is to {kind!r}, which this site does not know; update medfl here"
        )
    return TrainTask(
        kind=cast(Kind, kind),
        run=run,
        round=typed(config, "round", int),
        nonce=typed(config, "nonce", int),
        site=typed(config, "site", str),
        plan=plan_from_json(typed(config, "plan", str)),
        weights={},
    )


def decode_task_weights(
    content: RecordDict, head: TrainTask, shapes: Shapes, start_shapes: Shapes
) -> TrainTask:
    """Add the weights to the head of a task."""
    packed = content.array_records.get("start")
    return replace(
        head,
        weights=decode_weights(content.array_records["weights"], shapes),
        start=decode_weights(packed, start_shapes) if packed is not None else None,
    )


def encode_result(result: TrainResult) -> RecordDict:
    """Write a result as one record of numbers and, if it has an update, one of arrays."""
    numbers: dict[str, int | float | list[int]] = {
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
    if result.tally is not None:
        numbers |= {
            "n_scored": result.tally.n,
            "loss": result.tally.loss,
            "confusion": result.tally.confusion.ravel().tolist(),
            "positive": result.tally.positive.ravel().tolist(),
            "negative": result.tally.negative.ravel().tolist(),
        }
    for kind, tallies in result.groups.items():
        for part in COUNTED:
            counts = np.stack([getattr(tally, part) for tally in tallies])
            numbers[f"{kind}_{part}"] = counts.ravel().tolist()
    if result.exact_auc is not None:
        numbers["exact_auc"] = result.exact_auc
    if result.statistics is not None:
        for name, value in vars(result.statistics).items():
            numbers[f"data_{name}"] = value if isinstance(value, int) else [*value]
    content = RecordDict({"numbers": MetricRecord({**numbers})})
    if result.update is not None:
        content["update"] = encode_weights(result.update)
    return content


def decode_result(content: RecordDict, shapes: Shapes, plan: Plan) -> TrainResult:
    """Read a result, or raise RunError that says what does not fit; nothing is trusted."""
    if set(content) - {"numbers", "update", "seal"} or "numbers" not in content.metric_records:
        raise RunError("the reply holds other records than numbers, update and seal")
    numbers = content.metric_records["numbers"]
    spoken = number(numbers, "protocol")
    if spoken != PROTOCOL:
        raise RunError(
            f"the site speaks protocol {spoken}, this coordinator {PROTOCOL}; both need the same "
            "version of medfl"
        )
    update, task = content.array_records.get("update"), plan.task
    return TrainResult(
        plan=int(number(numbers, "plan")),
        round=int(number(numbers, "round")),
        nonce=int(number(numbers, "nonce")),
        code=int(number(numbers, "code")),
        incident=int(number(numbers, "incident")),
        n_images=int(number(numbers, "n_images")),
        n_steps=int(number(numbers, "n_steps")),
        train_loss=float(number(numbers, "train_loss")),
        seconds=float(number(numbers, "seconds")),
        tally=_tally(numbers, task) if "n_scored" in numbers else None,
        exact_auc=float(number(numbers, "exact_auc")) if "exact_auc" in numbers else None,
        update=decode_weights(update, shapes) if update is not None else None,
        statistics=_statistics(numbers, task) if "data_samples" in numbers else None,
        groups=_groups(numbers, plan),
    )


def _decode(array: Array, n_values: int) -> torch.Tensor:
    """Read (n_values,) float32 from npy bytes, or raise LinkError."""
    expected = 4 * n_values
    if array.stype != "numpy.ndarray" or not expected <= len(array.data) <= expected + MAX_HEADER:
        raise LinkError(f"the weights have {len(array.data)} bytes; {expected} and a header fit")
    buffer = io.BytesIO(array.data)
    try:
        version = np.lib.format.read_magic(buffer)
        if version != (1, 0):
            raise ValueError("its npy version is not 1.0")
        seen, _, dtype = np.lib.format.read_array_header_1_0(buffer)
    except ValueError as error:
        raise LinkError(f"the weights are not a plain array: {error}") from None
    n_bytes_left = len(array.data) - buffer.tell()
    if seen != (n_values,) or dtype != np.float32 or n_bytes_left != expected:
        raise LinkError(f"the weights are {dtype} {seen}; float32 ({n_values},) was expected")
    return torch.from_numpy(np.frombuffer(array.data, np.float32, offset=buffer.tell()).copy())


def _tally(numbers: MetricRecord, task: Task) -> Tally:
    return Tally(
        n=int(number(numbers, "n_scored")),
        loss=float(number(numbers, "loss")),
        confusion=counts(numbers, "confusion", task.confusion_shape),
        positive=counts(numbers, "positive", (task.n_outputs, N_BINS)),
        negative=counts(numbers, "negative", (task.n_outputs, N_BINS)),
    )


def _groups(numbers: MetricRecord, plan: Plan) -> dict[str, list[Tally]]:
    found = {}
    for kind, names in group_names(plan).items():
        if f"{kind}_confusion" not in numbers:
            continue
        curves = (len(names), plan.task.n_outputs, N_BINS)
        shapes = ((len(names), *plan.task.confusion_shape), curves, curves)
        parts = [counts(numbers, f"{kind}_{p}", s) for p, s in zip(COUNTED, shapes, strict=True)]
        found[kind] = [tally_of_counts(*counts) for counts in zip(*parts, strict=True)]
    return found


def _statistics(numbers: MetricRecord, task: Task) -> SiteStatistics:
    single = {name: int(number(numbers, f"data_{name}")) for name in NUMBERS}
    lists = {
        name: tuple(counts(numbers, f"data_{name}", (length,)).tolist())
        for name, length in lengths(len(task.classes)).items()
    }
    if min(single.values()) < 0:
        raise RunError("the reply counts fewer than none")
    return SiteStatistics(**single, **lists)  # type: ignore[arg-type]
