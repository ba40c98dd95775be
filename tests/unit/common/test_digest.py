from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from tests.golden.messages import to_bytes
from tests.golden.test_wire import from_bytes

from medfl_common.plan.plan import Plan
from medfl_common.wire.digest import task_digest
from medfl_common.wire.tasks import TrainTask, encode_task

WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7.0)}
STATE = {"a": torch.ones(2, 3), "b": torch.tensor(0.5)}


@pytest.fixture
def task(plan: Plan) -> TrainTask:
    start = {"frozen": torch.full((2,), 3.0)}
    return TrainTask("train", "ab" * 16, 4, 2**61, "north", plan, WEIGHTS, start, STATE)


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "evaluate"},
        {"run": "cd" * 16},
        {"round": 5},
        {"nonce": 2**61 + 1},
        {"site": "south"},
        {"weights": {"a": WEIGHTS["a"], "b": torch.tensor(7.0000005)}},
        {"start": {"frozen": torch.full((2,), 4.0)}},
        {"start": None},
        {"server_state": {"a": STATE["a"], "b": torch.tensor(0.25)}},
        {"server_state": {}},
    ],
)
def test_another_task_has_another_digest(task: TrainTask, other: dict[str, object]) -> None:
    changed = replace(task, **other)  # type: ignore[arg-type]

    assert task_digest(encode_task(changed)) != task_digest(encode_task(task))


def test_another_plan_has_another_digest(task: TrainTask) -> None:
    changed = replace(task, plan=task.plan.model_copy(update={"seed": task.plan.seed + 1}))

    assert task_digest(encode_task(changed)) != task_digest(encode_task(task))


def test_the_digest_is_of_what_is_asked_not_of_the_message_that_carries_it(task: TrainTask) -> None:
    content = encode_task(task)
    other_way_round = RecordDict(dict(reversed([*content.items()])))
    arrived = from_bytes(to_bytes(content))
    signed = encode_task(task)
    signed["seal"] = ConfigRecord({"signature": b"x"})

    found = {task_digest(c) for c in (content, other_way_round, arrived, signed)}

    assert len(found) == 1


def test_what_is_sent_once_can_be_left_out(task: TrainTask) -> None:
    again = encode_task(replace(task, start=None))

    assert task_digest(encode_task(task), but={"start"}) == task_digest(again)


FLAT = np.arange(4, dtype=np.float32)
LIES: list[Callable[[RecordDict], None]] = [
    lambda content: content.update({"weights": ArrayRecord({"flat": Array(FLAT.astype("f8"))})}),
    lambda content: content.update({"weights": ArrayRecord({"tall": Array(FLAT)})}),
    lambda content: content.update(
        {"weights": ArrayRecord({"flat": Array("float32", (2, 2), "numpy.ndarray", _data())})}
    ),
    lambda content: content.update(
        {"weights": ArrayRecord({"flat": Array("float32", (4,), "pickle", _data())})}
    ),
    lambda content: content.config_records["task"].update({"round": 4.0}),
    lambda content: content.config_records["task"].update({"round": True}),
    lambda content: content.config_records["task"].update({"round": "4"}),
    lambda content: content.config_records["task"].update({"more": [1, 2]}),
    lambda content: content.update({"more": ConfigRecord({})}),
    lambda content: content.update({"more": MetricRecord({})}),
]


def _data() -> bytes:
    return bytes(Array(FLAT).data)


def test_types_shapes_names_and_kinds_of_records_count(task: TrainTask) -> None:
    found = set()
    for lie in (lambda content: None, *LIES):
        content = encode_task(task)
        content["weights"] = ArrayRecord({"flat": Array(FLAT)})
        lie(content)
        found.add(task_digest(content))

    assert len(found) == 1 + len(LIES)
