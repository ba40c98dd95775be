"""A site's signature on a reply: what it says is bound to study, run, round, request and site.

TLS ends at a proxy where a hospital has one; Flower signs a time stamp, not the content. With the
seal nobody on the way can change a reply, or send it again for another round. Ed25519, RFC 8032.
"""

import json
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.app import MetricRecord, RecordDict

from medfl_common.errors import RunError
from medfl_common.wire.protocol import PROTOCOL
from medfl_common.wire.results import content_sha256
from medfl_common.wire.tasks import TrainTask

SEAL, SIGNATURE = "seal", "signature"  # record and key; eight signed 64-bit numbers
WORDS = struct.Struct(">8q")


def seal(content: RecordDict, task: TrainTask | None, key: Ed25519PrivateKey) -> RecordDict:
    """Add the signature to a reply; `task` is None where it could not be read."""
    words = WORDS.unpack(key.sign(_statement(content, task)))
    content[SEAL] = MetricRecord({SIGNATURE: [*words]})
    return content


def check_seal(content: RecordDict, task: TrainTask, key_line: str, is_unread: bool) -> None:
    """Raise RunError unless the reply is signed with the site's key for this very request.

    Args:
        content: The reply.
        task: What was asked.
        key_line: OpenSSH line of the site's Ed25519 key.
        is_unread: The reply says that the site could not read the task, so it is bound to none.
    """
    key = load_ssh_public_key(key_line.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise RunError(
            "the roster holds another signing key than medfl-client makes", todo="enrol anew"
        )
    try:
        words = content.metric_records[SEAL][SIGNATURE]
        signature = WORDS.pack(*words)  # type: ignore[misc]
        key.verify(signature, _statement(content, None if is_unread else task))
    except (KeyError, TypeError, struct.error, InvalidSignature):
        raise RunError(
            "the reply is not signed with the key that the site was enrolled with, for this request"
        ) from None


def _statement(content: RecordDict, task: TrainTask | None) -> bytes:
    """Say what is signed; a reply to a task that could not be read is bound to nothing."""
    about = {
        "medfl reply": PROTOCOL,
        "plan": task.plan.hash() if task else "",
        "run": task.run if task else "",
        "kind": task.kind if task else "",
        "round": task.round if task else 0,
        "nonce": task.nonce if task else 0,
        "site": task.site if task else "",
        "content": content_sha256(content),
    }
    return json.dumps(about, sort_keys=True).encode()
