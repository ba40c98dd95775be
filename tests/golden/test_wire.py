"""One task and one reply: the same bytes as ever, and those bytes read as ever."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from tests.golden.commands import HERE
from tests.golden.messages import (
    FROZEN,
    KEY,
    LAST,
    NAMES,
    SITE,
    fixed_result,
    fixed_task,
    flow_plan,
    flow_result,
    messages,
    sum_results,
    sum_tasks,
    to_bytes,
)

from medfl_common.wire.ledger_statement import last_line_in
from medfl_common.wire.results import decode_result
from medfl_common.wire.secure_sum import read_masked, read_part
from medfl_common.wire.signature import check_seal, check_task
from medfl_common.wire.tasks import decode_task_head, decode_task_weights

AGAIN = "a new protocol? see tests/golden/make.py, then: python -m tests.golden.make wire"
KINDS = {kind.__name__: kind for kind in (RecordDict, ArrayRecord, ConfigRecord, MetricRecord)}


def stored(name: str) -> bytes:
    return (HERE / "wire" / f"{name}.bin").read_bytes()


def from_bytes(data: bytes) -> RecordDict:
    """Read a message that `to_bytes` wrote."""
    chunk = type(next(iter(Array(np.zeros(1)).children.values())))
    kinds: dict[str, Any] = {**KINDS, "Array": Array, chunk.__name__: chunk}
    known: dict[str, Any] = {}
    last: Any = None
    while data:
        n = 4 + int.from_bytes(data[:4], "big")
        own, data = data[4:n], data[n:]
        kind, below, _ = own[: own.index(b"\x00")].decode().split(" ")
        last = kinds[kind].inflate(own, {name: known[name] for name in below.split(",") if name})
        known[last.object_id] = last
    return last


def plain(value: Any) -> Any:
    """Turn tasks and replies into what == compares."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return list(value.shape), value.tolist()
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if type(value).__name__ == "Plan":
        return value.hash()
    return plain(vars(value)) if hasattr(value, "__dict__") else value


@pytest.mark.parametrize("name", ["task", "reply", "flow-reply", *sum_tasks(), *sum_results()])
def test_a_message_of_fixed_numbers_has_the_bytes_that_it_always_had(name: str) -> None:
    made = to_bytes(messages()[name])

    assert made == stored(name), AGAIN
    digests = json.loads((HERE / "wire" / "sha256.json").read_text())
    assert hashlib.sha256(made).hexdigest() == digests[name], AGAIN


def test_a_task_of_an_earlier_version_says_what_it_said() -> None:
    content = from_bytes(stored("task"))

    task = decode_task_weights(content, decode_task_head(content), NAMES, FROZEN)

    assert plain(task) == plain(fixed_task())


def test_task_and_reply_of_an_earlier_version_are_signed_and_the_reply_says_what_it_said() -> None:
    content, task = from_bytes(stored("reply")), fixed_task()
    digest = check_task(from_bytes(stored("task")), SITE, KEY.public_key())
    line = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    check_seal(content, digest, line)
    assert last_line_in(content.metric_records["seal"]) == LAST
    result = decode_result(content, NAMES, task.plan)

    found, meant = plain(result), plain(fixed_result())
    for tally in meant["groups"]["sex"]:  # a group's tally travels as counts alone
        tally["loss"], tally["n"] = 0.0, sum(map(sum, tally["confusion"][1]))
    assert found == meant


def test_a_participant_flow_of_an_earlier_version_says_what_it_said() -> None:
    content = from_bytes(stored("flow-reply"))

    assert plain(decode_result(content, NAMES, flow_plan())) == plain(flow_result())
    earlier = decode_result(from_bytes(stored("reply")), NAMES, flow_plan())
    assert (earlier.participants, earlier.device) == (None, None)


@pytest.mark.parametrize("name", [*sum_tasks()])
def test_a_secure_sums_task_of_an_earlier_version_says_what_it_said(name: str) -> None:
    task = decode_task_head(from_bytes(stored(name)))

    assert task.sum == sum_tasks()[name].sum
    assert (task.kind, task.round) == (sum_tasks()[name].kind, sum_tasks()[name].round)


def test_a_secure_sums_replies_of_an_earlier_version_are_signed_and_say_what_they_said() -> None:
    line = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    masked, part = (from_bytes(stored(name)) for name in sum_results())

    for content in (masked, part):
        check_seal(content, "", line)
    told = sum_results()
    assert plain(read_masked(masked, 40)) == plain(told["sum-masked"].masked)
    assert read_part(part, 99) == told["sum-part"].part
