"""What the ledger says of a message: names, sizes, a norm and hashes, not the values."""

import time
from pathlib import Path

from flwr.app import RecordDict

from medfl_client.egress import ledger
from medfl_common.errors import DisclosureError, WithdrawnError, code_of
from medfl_common.models.weights import norm
from medfl_common.wire.digest import content_sha256, n_bytes
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import Shapes, codec_of, decode_weights

LEDGER = "ledger.jsonl"
RELEASED = "released"
DAY_S = 86_400


def write_receipt(
    state: Path, task: TrainTask | None, reply: RecordDict, shapes: Shapes, to: str, decision: str
) -> None:
    """Write down a message that is about to leave; `task` is None where it could not be read."""
    update = reply.array_records.get("update")
    codec = codec_of(task.plan.federation.messages) if task else None
    sent = decode_weights(update, shapes, codec) if update is not None else {}
    ledger.append(
        state / LEDGER,
        {
            "study": task.plan.study if task else "unknown",
            "run": task.run if task else "unknown",
            "plan": task.plan.hash() if task else "unknown",
            "kind": task.kind if task else "unknown",
            "round": task.round if task else 0,
            "to": to,
            "bytes": n_bytes(reply),
            "arrays": {name: list(tensor.shape) for name, tensor in sent.items()},
            "norm": norm(sent),
            "numbers": [*sorted(reply.metric_records["numbers"])],
            "sha256": content_sha256(reply),
            "decision": decision,
        },
    )


def decision_of(error: Exception) -> str:
    """Say in the ledger's words why a task got a code: `refused: P4` or `failed: MEDFL-E300`."""
    if error_rule := getattr(error, "rule", ""):
        return f"refused: {error_rule}"
    if isinstance(error, WithdrawnError):
        return "refused: withdrawn"
    if isinstance(error, DisclosureError):
        return "refused: guard"
    return f"failed: MEDFL-E{code_of(error)}"


def mb_of_last_day(state: Path) -> float:
    """Add up what left in the last 24 hours, all studies together."""
    since, total = time.time() - DAY_S, 0
    for entry in ledger.newest_first(state / LEDGER):
        if float(str(entry["time"])) < since:
            break
        total += int(str(entry["bytes"]))
    return total / 1e6
