"""The last look at a message: whatever made it, what is not listed does not leave."""

import random
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from tests.boxes import some_boxes
from tests.conftest import MakePlan
from tests.unit.common.test_participants import flow

from medfl_client.config.site_file import Policy
from medfl_client.egress.inspection import inspect
from medfl_common.errors import DisclosureError
from medfl_common.metrics.clusters import SCORES, DesignEffects
from medfl_common.metrics.counts import N_BINS, N_COARSE_BINS, ScoreCounts, bin_places
from medfl_common.metrics.feature_moments import moments_of
from medfl_common.metrics.mask_counts import empty_mask_counts
from medfl_common.metrics.membership import counted
from medfl_common.metrics.site_statistics import SiteStatistics, lengths
from medfl_common.metrics.subgroups import KINDS, group_names
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.results import (
    FEATURES,
    LISTS,
    SINGLE,
    TrainResult,
    encode_result,
    plan_number,
)
from medfl_common.wire.tensors import codec_of, encode_weights
from medfl_common.wire.versions import own_versions

SHAPES = {"w": (2, 3), "b": (3,)}
N = 9
NAME = "DOE^JOHN"


def good(plan: Plan) -> RecordDict:
    counts, curve = np.array([[30, 2], [4, 14]]), np.zeros((1, N_BINS), dtype=np.int64)
    curve[0, bin_places(N_COARSE_BINS)] = 5
    score_counts = ScoreCounts(50, 0.5, counts, curve, curve)
    update = {name: torch.ones(shape) for name, shape in SHAPES.items()}
    return encode_result(
        TrainResult(
            plan_number(plan),
            1,
            99,
            n_images=50,
            score_counts=score_counts,
            exact_auc=0.9,
            update=update,
        )
    )


def array(data: bytes | None = None, dtype: str = "float32") -> ArrayRecord:
    plain = Array(np.ones(N, dtype=np.float32))
    shape = (N,)
    return ArrayRecord({"flat": Array(dtype, shape, "numpy.ndarray", data or plain.data)})


Change = Callable[[RecordDict, random.Random], None]


def stray_number(content: RecordDict, rng: random.Random) -> None:
    name = rng.choice(["patients", NAME, "note", "loss2", "sex_note", "data_names", ""])
    content.metric_records["numbers"][name] = rng.choice([0, 1.5, [1, 2], 7**20])


def stray_record(content: RecordDict, rng: random.Random) -> None:
    kind = rng.choice([ConfigRecord({"note": NAME}), MetricRecord({"n": 1}), array()])
    content[rng.choice(["note", NAME, "seal", "update2"])] = kind


def another_kind_of_record(content: RecordDict, rng: random.Random) -> None:
    content[rng.choice(["numbers", "update"])] = ConfigRecord({"note": NAME})


def text_for_a_number(content: RecordDict, rng: random.Random) -> None:
    value = rng.choice([NAME, NAME.encode(), [NAME], [1, NAME], None, True, {"a": 1}])
    numbers = content.metric_records["numbers"]
    name = rng.choice(sorted(numbers))
    numbers.__dict__["_data"][name] = value  # past Flower's own check


def list_for_a_number(content: RecordDict, rng: random.Random) -> None:
    numbers = content.metric_records["numbers"]
    numbers[rng.choice(sorted(SINGLE & set(numbers)))] = [1, 2, 3]


def floats_for_counts(content: RecordDict, rng: random.Random) -> None:
    numbers = content.metric_records["numbers"]
    name = rng.choice(sorted(LISTS & set(numbers)))
    numbers[name] = [0.25] * len(numbers[name])  # type: ignore[arg-type]


def longer_list(content: RecordDict, rng: random.Random) -> None:
    numbers = content.metric_records["numbers"]
    name = rng.choice(sorted(LISTS & set(numbers)))
    numbers[name] = [*numbers[name], 5]  # type: ignore[misc,list-item]


def list_without_use(content: RecordDict, rng: random.Random) -> None:
    listed = sorted((LISTS | SINGLE) - set(content.metric_records["numbers"]))
    name = rng.choice(listed)
    content.metric_records["numbers"][name] = [1, 2, 3] if name in LISTS else 3


def not_finite(content: RecordDict, rng: random.Random) -> None:
    value = rng.choice([float("nan"), float("inf"), -float("inf")])
    content.metric_records["numbers"][rng.choice(["train_loss", "seconds", "loss"])] = value


def another_update(content: RecordDict, rng: random.Random) -> None:
    values: list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = [
        np.full(N, np.nan, dtype=np.float32),
        np.ones(N, dtype=np.float64),
        np.ones(N, dtype=np.int32),
        np.ones(N + 1, dtype=np.float32),
        np.ones((1, N), dtype=np.float32),
    ]
    content["update"] = ArrayRecord({"flat": Array(rng.choice(values))})


def more_than_an_update(content: RecordDict, rng: random.Random) -> None:
    plain = Array(np.ones(N, dtype=np.float32))
    noted = plain.data.replace(b", }" + b" " * 10, b", }#" + NAME.encode() + b" ", 1)
    assert noted != plain.data
    content["update"] = rng.choice(
        [
            array(noted),
            array(plain.data + NAME.encode()),
            array(dtype=NAME),
            ArrayRecord({"flat": plain, NAME: plain}),
            ArrayRecord({NAME: plain}),
        ]
    )


def too_few(content: RecordDict, rng: random.Random) -> None:
    numbers = content.metric_records["numbers"]
    if rng.random() < 0.5:
        numbers["n_images"] = rng.choice([0, 1, 19, -5, 50.0])
    else:
        numbers["confusion"] = rng.choice([[30, 2, 4, 5], [9, 0, 41, 0], [0, 1, 49, 0]])


def half_the_score_counts(content: RecordDict, rng: random.Random) -> None:
    del content.metric_records["numbers"][rng.choice(["confusion", "loss", "n_scored"])]


CHANGES: list[Change] = [
    stray_number, stray_record, another_kind_of_record, text_for_a_number, list_for_a_number,
    floats_for_counts, longer_list, list_without_use, not_finite, another_update,
    more_than_an_update, too_few, half_the_score_counts,
]  # fmt: skip


def test_a_plain_reply_leaves(plan: Plan) -> None:
    inspect(good(plan), plan, SHAPES, Policy())


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_no_reply_with_something_unlisted_leaves(change: Change, plan: Plan) -> None:
    for seed in range(40):
        content = good(plan)
        change(content, random.Random(seed))

        with pytest.raises(DisclosureError, match="nothing was sent") as caught:
            inspect(content, plan, SHAPES, Policy())
        assert NAME not in str(caught.value)


@pytest.mark.parametrize("form", ["bfloat16", "float16", "int8", "top_k"])
def test_a_smaller_update_leaves_in_the_plans_arrays_and_no_others(
    form: str, make_plan: MakePlan
) -> None:
    plan = load_plan(make_plan(federation={"messages": {"update": form}}))
    whole = RecordDict({**good(plan), "update": array()})

    def changed(**arrays: Array) -> RecordDict:
        update = encode_weights(
            {name: torch.ones(shape) for name, shape in SHAPES.items()},
            codec_of(plan.federation.messages),
        )
        numbers = whole.metric_records["numbers"]
        return RecordDict({"numbers": numbers, "update": ArrayRecord({**update, **arrays})})

    inspect(changed(), plan, SHAPES, Policy())
    values = changed().array_records["update"]["values"]
    plain = values.numpy()
    longer = np.concatenate([plain, plain[:1]])
    noted = Array(values.dtype, tuple(values.shape), values.stype, values.data + NAME.encode())
    bad = [whole, changed(note=values), changed(values=Array(longer)), changed(values=noted)]
    bad += [changed(values=Array(plain.astype(np.float64)))]
    if form != "int8":  # whose values are all finite; its steps are not
        not_finite = plain.copy()
        not_finite[0] = 0x7FC0 if form == "bfloat16" else np.nan
        bad.append(changed(values=Array(not_finite)))
    else:
        steps = changed().array_records["update"]["steps"].numpy().copy()
        steps[0] = np.inf
        bad.append(changed(steps=Array(steps)))
    for content in bad:
        with pytest.raises(DisclosureError, match="nothing was sent"):
            inspect(content, plan, SHAPES, Policy())


def test_a_task_that_could_not_be_read_gets_a_code_only(plan: Plan) -> None:
    with pytest.raises(DisclosureError, match="more than a code"):
        inspect(good(plan), None, SHAPES, Policy())


def test_the_list_of_names_is_what_the_encoder_can_write(make_plan: MakePlan) -> None:
    plan = load_plan(
        make_plan(evaluation={"subgroups": [*KINDS], "manufacturers": ["Acme"]}),
    )
    told = DesignEffects(np.ones(len(SCORES) + 1), np.full(len(SCORES) + 1, 12))
    score_counts = ScoreCounts(*(0, 0.0), *[np.zeros((2, 2), dtype=np.int64)] * 3, told)
    counts = SiteStatistics(
        **{f.name: (0,) if f.name in lengths(0) else 0 for f in fields(SiteStatistics)}  # type: ignore[arg-type]
    )
    whole = TrainResult(
        0, 0, 0, start_loss=0.5, score_counts=score_counts, exact_auc=0.5, statistics=counts,
        versions=own_versions(), features=moments_of(np.ones((20, 4))),
        membership=counted(np.ones(9), np.ones(9)), device="cpu", participants=flow(),
    )  # fmt: skip

    content = encode_result(
        replace(whole, groups={kind: [score_counts] for kind in group_names(plan)})
    )

    no_masks = replace(empty_mask_counts(1), effects=np.zeros((1, 7)))
    masks = TrainResult(0, 0, 0, mask_counts=no_masks)
    boxes = TrainResult(0, 0, 0, box_counts=some_boxes(1))
    numbers = {
        **content.metric_records["numbers"],
        **encode_result(masks).metric_records["numbers"],
        **encode_result(boxes).metric_records["numbers"],
    }

    assert set(numbers) == LISTS | SINGLE | {FEATURES}
