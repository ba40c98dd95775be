"""A task and a reply whose every number is written here."""

import math
from typing import Any

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flwr.app import RecordDict
from tests.golden.commands import HERE

from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.site_statistics import SiteStatistics
from medfl_common.plan.plan import load_plan
from medfl_common.wire.ledger_statement import LastLine
from medfl_common.wire.results import TrainResult, encode_result
from medfl_common.wire.signature import seal, sign_task
from medfl_common.wire.tasks import TrainTask, encode_task

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


def messages() -> dict[str, RecordDict]:
    """Give the task and the sealed reply as records."""
    task, result = fixed_task(), fixed_result()
    asked = encode_task(task)
    digest = sign_task(asked, SITE, KEY, b"certificate")
    return {"task": asked, "reply": seal(encode_result(result, task.plan), digest, KEY, LAST)}


def to_bytes(message: Any) -> bytes:
    """Write a message as Flower's objects, each after its length, what it holds before it."""
    below = b"".join(to_bytes(part) for part in (message.children or {}).values())
    own = message.deflate()
    return below + len(own).to_bytes(4, "big") + own
