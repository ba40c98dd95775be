"""A task and a reply whose every number is written here."""

import math
from typing import Any

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import RecordDict
from tests.golden.commands import HERE

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.participants import Participants, n_rows
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.ledger_statement import LastLine
from medfl_common.wire.results import TrainResult, encode_result
from medfl_common.wire.secure_sum import Group, SumOrder
from medfl_common.wire.signature import seal, sign_task
from medfl_common.wire.tasks import Kind, TrainTask, encode_task

NAMES = {"body.weight": (3, 4), "body.bias": (3,), "head.weight": (1, 3), "head.bias": (1,)}
FROZEN = {"frozen.weight": (2, 2)}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # for these tests, of no site
SITE = "SHA256:of the site's keys"
LAST = LastLine(7, "0123456789abcdef" * 4)  # of the site's ledger


def numbers(shapes: dict[str, tuple[int, ...]], first: int) -> dict[str, torch.Tensor]:
    """Give eighths that neither bfloat16 nor int8 rounds."""
    found = {}
    for name, shape in shapes.items():
        n = math.prod(shape)
        found[name] = (torch.arange(first, first + n, dtype=torch.float32) / 8).reshape(shape)
        first += n
    return found


def fixed_task() -> TrainTask:
    """Give a task whose every number is written here."""
    plan = load_plan(HERE / "wire" / "plan.yaml")
    weights, server_state = numbers(NAMES, -5), numbers(NAMES, 40)
    start = numbers(FROZEN, 100)
    return TrainTask("train", "ab" * 16, 4, 2**61 + 1, "north", plan, weights, start, server_state)


def fixed_result() -> TrainResult:
    """Give a reply to it: an update, counts of scores, groups and statistics."""
    task = fixed_task()

    def tally(first: int) -> ScoreCounts:
        confusion = np.array([[first, 2], [3, 4]], dtype=np.int64)
        positive = (np.arange(128, dtype=np.int64) + first) % 5
        return ScoreCounts(first + 9, 0.625, confusion, positive[None], positive[None, ::-1].copy())

    counts = SiteStatistics(
        40, 30, 3, (25, 15), (1, 2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4, 5, 6),
        (6, 5, 4, 3, 2, 1), (20, 15, 5), tuple(range(64)),
    )  # fmt: skip
    return TrainResult(
        plan=int(task.plan.hash()[:16], 16) >> 2, round=4, nonce=task.nonce,
        n_images=30, n_steps=12,
        train_loss=0.5, start_loss=0.75, seconds=1.5, score_counts=tally(7), exact_auc=0.875,
        update=numbers(NAMES, 3), statistics=counts, groups={"sex": [tally(1), tally(2), tally(3)]},
    )  # fmt: skip


def sum_tasks() -> dict[str, TrainTask]:
    """Give a task of each kind that belongs to a secure sum; no key in it is one."""
    plan = load_plan(HERE / "wire" / "sum-plan.yaml")
    group = "5e" * 32
    orders: dict[Kind, SumOrder] = {
        "keys": SumOrder(2, 1, 4, Group(("a", "b"), ("ssh-ed25519 A", "ssh-ed25519 B")).hash,
                         names=("a", "b"), keys=("ssh-ed25519 A", "ssh-ed25519 B")),
        "setups": SumOrder(2, 1, 4, group, cohort=(1, 3), hellos=bytes(range(192))),
        "train": SumOrder(2, 1, 4, group, setups=bytes(range(210))),
        "open": SumOrder(2, 1, 4, group, summed=(1, 3), sealed=bytes(range(82))),
    }  # fmt: skip
    rounds = {"keys": 0, "setups": 0, "train": 4, "open": 4}
    return {
        f"sum-{kind}": TrainTask(
            kind, "ab" * 16, rounds[kind], 2**61 + 1, "north", plan,
            numbers(NAMES, -5) if kind == "train" else {}, sum=order,
        )
        for kind, order in orders.items()
    }  # fmt: skip


def sum_results() -> dict[str, TrainResult]:
    """Give the replies of a secure sum: masked numbers, and the answer to a small trip."""
    plan = int(sum_tasks()["sum-train"].plan.hash()[:16], 16) >> 2
    masked = np.arange(40, dtype=np.uint32) * np.uint32(123456789)
    return {
        "sum-masked": TrainResult(plan, 4, 2**61 + 1, seconds=1.5, masked=masked),
        "sum-part": TrainResult(plan, 4, 2**61 + 1, part=bytes(range(99))),
    }


def messages() -> dict[str, RecordDict]:
    """Give each task and each sealed reply as records."""
    sums = {name: encode_task(task) for name, task in sum_tasks().items()}
    for name, told in sum_results().items():
        sums[name] = seal(encode_result(told, sum_tasks()["sum-open"].plan), "", KEY, LAST)
    return {**_plain(), **sums}


def flow_plan() -> Plan:
    """Give a plan that asks for a participant flow."""
    plan = fixed_task().plan
    federation = plan.federation.model_copy(update={"statistics": True, "participants": True})
    return plan.model_copy(update={"federation": federation})


def flow_result() -> TrainResult:
    """Give a reply with a participant flow and the kind of device, which earlier ones have not."""
    sizes = {name: tuple((3 * i, 2, 1) for i in range(n)) for name, n in n_rows(2).items()}
    flow = Participants(
        37, 33, tuple(range(15)), tuple(range(15)), (24, 10, 6), (18, 8, 4), **sizes,
    )  # fmt: skip
    told = fixed_result().statistics
    return TrainResult(7, 0, 2**61 + 1, statistics=told, device="cuda", participants=flow)


def _plain() -> dict[str, RecordDict]:
    task, result = fixed_task(), fixed_result()
    asked = encode_task(task)
    digest = sign_task(asked, SITE, KEY, b"certificate")
    told = seal(encode_result(flow_result()), "", KEY, LAST)
    return {
        "task": asked,
        "reply": seal(encode_result(result, task.plan), digest, KEY, LAST),
        "flow-reply": told,
    }


def to_bytes(message: Any) -> bytes:
    """Write a message as Flower's objects, each after its length, what it holds before it."""
    below = b"".join(to_bytes(part) for part in (message.children or {}).values())
    own = message.deflate()
    return below + len(own).to_bytes(4, "big") + own
