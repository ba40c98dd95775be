from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, MetricRecord

from medfl_common.errors import LinkError, RunError
from medfl_common.plan.plan import Plan
from medfl_common.wire.protocol import PROTOCOL
from medfl_common.wire.results import (
    TrainResult,
    decode_result,
    decode_weights,
    encode_result,
    encode_weights,
    plan_number,
)
from medfl_common.wire.tasks import TrainTask, decode_task_head, decode_task_weights, encode_task

WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7.0), "c": torch.zeros(4)}
LONGER = Array(np.zeros(11, dtype=np.float32)).data + b"12345678"
SHAPES = {name: tuple(tensor.shape) for name, tensor in WEIGHTS.items()}


def test_a_task_comes_back_as_it_went(plan: Plan) -> None:
    start = {"frozen": torch.full((2,), 3.0)}
    task = TrainTask("train", "ab" * 16, 4, 2**61, "north", plan, WEIGHTS, start)

    content = encode_task(task)
    found = decode_task_weights(content, decode_task_head(content), SHAPES, {"frozen": (2,)})

    assert replace(found, weights={}, start=None) == replace(task, weights={}, start=None)
    assert all(torch.equal(found.weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert torch.equal((found.start or {})["frozen"], start["frozen"])


@pytest.mark.parametrize(
    "array",
    [
        Array(np.zeros(10, dtype=np.float32)),
        Array(np.zeros(11, dtype=np.int8)),
        Array(np.zeros((1, 11), dtype=np.float32)),
        Array("float32", (11,), "numpy.ndarray", b"\x93NUMPY" + b"\xff" * 100),
        Array("float32", (11,), "pickle", b"x" * 100),
        Array(
            "float32", (11,), "numpy.ndarray", Array(np.zeros(11, np.float32)).data + b"12345678"
        ),
    ],
)
def test_weights_that_lie_about_themselves_are_refused(array: Array) -> None:
    with pytest.raises(LinkError, match="the weights"):
        decode_weights(ArrayRecord({"flat": array}), SHAPES)


def test_a_header_that_claims_terabytes_takes_no_memory() -> None:
    header = Array(np.zeros(11, dtype=np.float32)).data.replace(b"(11,)", b"(9999999999999,)")
    lying = Array("float32", (11,), "numpy.ndarray", header[:180])

    with pytest.raises(LinkError):
        decode_weights(ArrayRecord({"flat": lying}), SHAPES)


def test_a_result_with_anything_else_in_it_is_refused(plan: Plan) -> None:
    content = encode_result(TrainResult(plan_number(plan), 1, 2))
    content["note"] = MetricRecord({"patient": 1})

    with pytest.raises(RunError, match="other records"):
        decode_result(content, SHAPES, plan)


def test_packed_tensors_come_back_whatever_order_each_end_has_them_in() -> None:
    packed = encode_weights(dict(reversed(WEIGHTS.items())))

    found = decode_weights(packed, SHAPES)

    assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)
    assert found["b"].shape == ()
    assert float(found["b"]) == 7.0


def test_a_task_and_a_reply_of_another_protocol_are_refused_naming_both(plan: Plan) -> None:
    task = encode_task(TrainTask("train", "ab" * 16, 1, 1, "north", plan, WEIGHTS))
    reply = encode_result(TrainResult(plan_number(plan), 1, 1))
    task.config_records["task"]["protocol"] = PROTOCOL + 1
    reply.metric_records["numbers"]["protocol"] = PROTOCOL - 1

    with pytest.raises(LinkError, match=f"speaks protocol {PROTOCOL + 1}, this site {PROTOCOL}"):
        decode_task_head(task)
    with pytest.raises(RunError, match=f"protocol {PROTOCOL - 1}, this coordinator {PROTOCOL}"):
        decode_result(reply, SHAPES, plan)
