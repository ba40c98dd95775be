"""What a message holds, counted and hashed: the same at both ends of the way."""

import hashlib
import json

from flwr.app import RecordDict


def content_sha256(content: RecordDict) -> str:
    """SHA-256 over a reply's numbers and update, as a ledger, a seal and a run log name it."""
    numbers = json.dumps(dict(content.metric_records["numbers"]), sort_keys=True)
    digest = hashlib.sha256(numbers.encode())
    for name, array in sorted(content.array_records.get("update", {}).items()):
        digest.update(name.encode() + hashlib.sha256(array.data).digest())
    return digest.hexdigest()


def n_bytes(content: RecordDict) -> int:
    """Count the bytes of the arrays and numbers in a message, framing apart."""
    arrays = sum(len(a.data) for record in content.array_records.values() for a in record.values())
    numbers = sum(record.count_bytes() for record in content.metric_records.values())
    texts = sum(record.count_bytes() for record in content.config_records.values())
    return arrays + numbers + texts
