"""Write a line of the ledger: of a message that is about to leave, or of a code."""

from pathlib import Path

from flwr.app import RecordDict

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import Policy
from medfl_client.egress import ledger, privacy_ledger
from medfl_client.egress.message_entry import UNKNOWN
from medfl_common.errors import DisclosureError, WithdrawnError, code_of
from medfl_common.files import Json
from medfl_common.models.weights import norm
from medfl_common.wire.digest import MASKED, PART, content_sha256, n_bytes
from medfl_common.wire.tasks import TrainTask
from medfl_common.wire.tensors import FLAT, Shapes, codec_of, decode_weights


def write_receipt(
    state: Path,
    task: TrainTask | None,
    reply: RecordDict,
    shapes: Shapes,
    to: str,
    decision: str,
    policy: Policy,
    left_at: float | None = None,
) -> None:
    """Write down a message that is about to leave, or a code that left when the disk was full.

    `task` is None where it could not be read.
    """
    update = reply.array_records.get("update")
    codec = codec_of(task.plan.federation.messages) if task else None
    sent = decode_weights(update, shapes, codec) if update is not None else {}
    ledger.append(
        StateFolder(state).ledger,
        {
            "study": task.plan.study if task else UNKNOWN,
            "run": task.run if task else UNKNOWN,
            "plan": task.plan.hash() if task else UNKNOWN,
            "kind": task.kind if task else UNKNOWN,
            "round": task.round if task else 0,
            "to": to,
            "bytes": n_bytes(reply),
            "arrays": {**{name: list(t.shape) for name, t in sent.items()}, **_of_sum(reply)},
            "norm": norm(sent),
            "numbers": [*sorted(reply.metric_records["numbers"])],
            "sha256": content_sha256(reply),
            "decision": decision,
            "policy": policy.model_dump(mode="json"),
            **privacy_ledger.last(state),
            **({} if left_at is None else {"time": round(left_at, 3)}),
        },
    )


def _of_sum(reply: RecordDict) -> dict[str, Json]:
    """Give the lengths of what a reply has of a secure sum: nobody can tell its norm."""
    found = {name: reply.array_records.get(name) for name in (MASKED, PART)}
    return {name: list(record[FLAT].shape) for name, record in found.items() if record is not None}


def decision_of(error: Exception) -> str:
    """Say in the ledger's words why a task got a code: `refused: P4` or `failed: MEDFL-E300`."""
    if error_rule := getattr(error, "rule", ""):
        return f"refused: {error_rule}"
    if isinstance(error, WithdrawnError):
        return "refused: withdrawn"
    if isinstance(error, DisclosureError):
        return "refused: guard"
    return f"failed: MEDFL-E{code_of(error)}"
