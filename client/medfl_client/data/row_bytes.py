"""Rows of the index as bytes of one form: what a worker says of a header, and its parent takes."""

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from medfl_client.data.dicom.header import MAX_INT, MAX_TEXT, Row

# Which file it is, the parent knows; a reason has a form of its own.
_OWN = {"path", "size", "mtime_ns", "reason"}
_FIELDS = [field for field in fields(Row) if field.name not in _OWN]
_WHOLE = [field.name for field in _FIELDS if field.type is int]
_REAL = [field.name for field in _FIELDS if field.type is float]
_TEXTS = [field.name for field in _FIELDS if field.type is str]
_NAMES = [*_WHOLE, *_REAL, *_TEXTS]
_HEAD = struct.Struct(f"<{len(_WHOLE)}q{len(_REAL)}d{len(_TEXTS)}H")
_values = attrgetter(*_NAMES)
_PSEUDONYM = re.compile(r"(?:[0-9a-f]{64})?")
_N_NUMBERS = len(_WHOLE) + len(_REAL)


def pack_rows(rows: Sequence[Row]) -> bytes:
    """Put the rows of one file together."""
    parts: list[bytes] = []
    for row in rows:
        values = _values(row)
        texts = [text.encode("utf-8", "replace") for text in values[_N_NUMBERS:]]
        parts += [_HEAD.pack(*values[:_N_NUMBERS], *map(len, texts)), *texts]
    return b"".join(parts)


def unpack_rows(path: str, size: int, mtime_ns: int, body: memoryview) -> list[Row]:
    """Take the rows of one file; raises ValueError where they are anything else."""
    rows, at, content = [], 0, bytes(body)
    while at < len(content):
        if len(content) - at < _HEAD.size:
            raise ValueError("half a row")
        head = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        texts = []
        for length in head[_N_NUMBERS:]:
            texts.append(content[at : at + length].decode())
            at += length
        if at > len(content):
            raise ValueError("half a row")
        facts = dict(zip(_NAMES, (*head[:_N_NUMBERS], *texts), strict=True))
        row = Row(path=path, size=size, mtime_ns=mtime_ns, **facts)
        _check(row, head, texts)
        rows.append(row)
    if not rows:
        raise ValueError("no row")
    return rows


def _check(row: Row, head: Sequence[float], texts: Sequence[str]) -> None:
    """Raise ValueError for a row that no header gives."""
    is_possible = (
        all(abs(number) < MAX_INT for number in head[: len(_WHOLE)])
        and all(map(math.isfinite, head[len(_WHOLE) : _N_NUMBERS]))
        and max(map(len, texts)) <= 4 * MAX_TEXT  # a path may stand for a UID
        and row.frames >= 1
        and min(row.height, row.width, row.samples) >= 0
        and _PSEUDONYM.fullmatch(row.patient)
        and _PSEUDONYM.fullmatch(row.accession)
    )
    if not is_possible:
        raise ValueError("a row that no header gives")
