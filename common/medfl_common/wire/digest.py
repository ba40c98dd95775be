"""What messages are named by, and weigh: what a study key signs, what books and logs write."""

import hashlib
import json
from collections.abc import Callable, Container, Mapping

from flwr.app import ArrayRecord, RecordDict

Arrays = list[list[object]]  # of a record, each with its name, type, shape and hash
MASKED, PART = "masked", "part"  # records that come up in a secure sum
SEAL, STATEMENT = "seal", "ledger"  # records that are no part of what is asked, and are signed


def arrays_of(record: ArrayRecord) -> Arrays:
    """Hash the arrays of a record, each with what it says of itself."""
    return [
        [name, [a.stype, a.dtype, [*a.shape], hashlib.sha256(a.data).hexdigest()]]
        for name, a in record.items()
    ]


def task_digest(
    content: RecordDict,
    but: Container[str] = (),
    hashed: Callable[[ArrayRecord], Arrays] = arrays_of,
) -> str:
    """SHA-256, as hex, over all that a task says: every record but the signature and the statement.

    Covers the names and kinds of records, all settings with their types, and of every array name,
    type, shape and bytes. Copies no array. Another order of records or keys is the same task.

    Args:
        content: The task's records.
        but: More records to leave out, such as what is sent once.
        hashed: `arrays_of`, or what remembers its result.
    """
    lines = sorted(
        _line(name, record, hashed(record) if isinstance(record, ArrayRecord) else _values(record))
        for name, record in content.items()
        if name not in (SEAL, STATEMENT) and name not in but
    )
    return hashlib.sha256(json.dumps(["medfl task", *lines]).encode()).hexdigest()


def _values(record: Mapping[str, object]) -> Arrays:
    return [[key, _typed(value)] for key, value in record.items()]


def _line(name: str, record: object, entries: Arrays) -> str:
    return json.dumps([name, type(record).__name__, sorted(entries, key=lambda one: str(one[0]))])


def _typed(value: object) -> list[object]:
    """Tell values of different types apart that JSON would write alike."""
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, list):
        return ["list", *map(_typed, value)]
    return [type(value).__name__, value]


def content_sha256(content: RecordDict) -> str:
    """SHA-256 over a reply's numbers and arrays, as a ledger, a seal and a run log name it."""
    numbers = json.dumps(dict(content.metric_records["numbers"]), sort_keys=True)
    digest = hashlib.sha256(numbers.encode())
    for record, before in (("update", ""), (MASKED, f"{MASKED}/"), (PART, f"{PART}/")):
        for name, array in sorted(content.array_records.get(record, {}).items()):
            digest.update(f"{before}{name}".encode() + hashlib.sha256(array.data).digest())
    return digest.hexdigest()


def brings_work(content: RecordDict) -> bool:
    """Say whether a reply that nobody admits any more holds work, and not a code only."""
    numbers = content.metric_records.get("numbers")
    return numbers is not None and numbers.get("code") == 0


def n_bytes(content: RecordDict) -> int:
    """Count the bytes of the arrays and numbers in a message, framing apart."""
    return sum(
        sum(len(array.data) for array in record.values())
        if isinstance(record, ArrayRecord)
        else record.count_bytes()
        for record in content.values()
    )
