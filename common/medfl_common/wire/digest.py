"""The digest of a task: what a study key signs, and what a reply and a site's books name it by."""

import hashlib
import json
from collections.abc import Callable, Container, Mapping

from flwr.app import ArrayRecord, RecordDict

Arrays = list[list[object]]  # of a record, each with its name, type, shape and hash
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
