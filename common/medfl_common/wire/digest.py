"""The digest of a task: what a study key signs, and what a reply and a site's books name it by."""

import hashlib
import json
from collections.abc import Container

from flwr.app import ArrayRecord, RecordDict

SEAL = "seal"  # the record of a signature, which no digest covers


def task_digest(content: RecordDict, but: Container[str] = ()) -> str:
    """SHA-256, as hex, over all that a task says: every record, whoever sent it in what message.

    Covers the names and kinds of records, all settings with their types, and of every array name,
    type, shape and bytes. Copies no array. Another order of records or keys is the same task.

    Args:
        content: The task's records.
        but: Records to leave out beside the signature, such as what is sent once.
    """
    lines = sorted(
        _line_of_arrays(name, record)
        if isinstance(record, ArrayRecord)
        else _line(name, record, [[key, _typed(record[key])] for key in record])
        for name, record in content.items()
        if name != SEAL and name not in but
    )
    return hashlib.sha256(json.dumps(["medfl task", *lines]).encode()).hexdigest()


def _line_of_arrays(name: str, record: ArrayRecord) -> str:
    arrays: list[list[object]] = [
        [key, [a.stype, a.dtype, [*a.shape], hashlib.sha256(a.data).hexdigest()]]
        for key, a in record.items()
    ]
    return _line(name, record, arrays)


def _line(name: str, record: object, entries: list[list[object]]) -> str:
    return json.dumps([name, type(record).__name__, sorted(entries, key=lambda one: str(one[0]))])


def _typed(value: object) -> list[object]:
    """Tell values of different types apart that JSON would write alike."""
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, list):
        return ["list", *map(_typed, value)]
    return [type(value).__name__, value]
