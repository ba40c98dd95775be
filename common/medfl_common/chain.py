"""Records chained by hashes: each line is durable before what it records happens.

Each line is JSON with its number, the hash of the line before (`previous`) and its own (`hash`:
SHA-256 of the line up to there). `NAME.head` beside it holds the number and hash of the last line,
so lines missing at the end show too. The chain finds accidents and edits; against somebody who
rewrites the whole of it, note the last hash elsewhere.
"""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from medfl_common.errors import RunError
from medfl_common.files import Json, named, write_atomic

START = "0" * 64  # what the first line names as the line before
BLOCK = 65536  # bytes read at once from the end
HASH = b', "hash": "'
KEEP = "keep it and its .head file as evidence"  # where no command looks a record over

Line = dict[str, Json]


class Head(NamedTuple):
    """The last line that was written whole."""

    n_lines: int
    hash: str


class Broken(NamedTuple):
    """The first line, counted from 1, that is not as it was written, and what became of it."""

    line: int
    what: str


def append(path: Path, entry: Mapping[str, Json], todo: str = KEEP) -> None:
    """Add an entry and make it durable; return only when it is on the disk.

    Reads no more than the end. A line that a crash has torn is cut off and noted in the new one; it
    belongs to nothing that has happened. Raises RunError, and writes nothing, where the end is not
    the one that was written last.

    Args:
        path: The record.
        entry: The facts of its new line.
        todo: What to do where the record is damaged.
    """
    with named(path), path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        whole = _end_of_last_line(file)
        n_torn = file.seek(0, os.SEEK_END) - whole
        head = _checked_head(path, next(_lines_from_end(file, whole), b""), todo)
        note: Line = {"cut": f"{n_torn} bytes of a line torn by a crash"} if n_torn else {}
        facts = {"line": head.n_lines + 1, "time": round(time.time(), 3), **entry, **note}
        text = json.dumps({**facts, "previous": head.hash})
        own = _digest(text.encode())
        file.truncate(whole)
        try:
            _write_at_end(file, text[:-1].encode() + HASH + own.encode() + b'"}\n')
            _write_head(path, Head(head.n_lines + 1, own))
        except OSError:  # a full disk: half a line, or one without its head, belongs to nothing
            os.ftruncate(file.fileno(), whole)
            raise


def read_lines(path: Path, todo: str = KEEP) -> list[Line]:
    """Read all whole lines; raises RunError where one is not JSON."""
    if not path.exists():
        return []
    whole = path.read_bytes().split(b"\n")[:-1]
    try:
        return [json.loads(line) for line in whole]
    except ValueError:
        raise RunError(f"{path} is damaged", todo=todo) from None


def newest_first(path: Path, todo: str = KEEP) -> Iterator[Line]:
    """Read whole lines from the end, no more of them than are asked for."""
    if path.exists():
        with path.open("rb") as file:
            for line in _lines_from_end(file, _end_of_last_line(file)):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise RunError(f"{path} is damaged", todo=todo) from None


def first_broken_line(path: Path) -> Broken | None:
    """Give the first line that was changed, removed, moved or cut off, or None."""
    if not path.exists():
        head = _read_head(path)
        return None if head.n_lines == 0 else Broken(1, "the whole file is missing")
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # not between a line and its head
        lines, head = file.read().split(b"\n")[:-1], _read_head(path)
    if head.n_lines < 0:
        return Broken(max(len(lines), 1), "the .head file is damaged; the end cannot be trusted")
    previous = START
    for number, line in enumerate(lines, start=1):
        broken = _check_line(line, number, previous)
        if broken is not None:
            return broken
        previous = _own_hash(line)
        if number == head.n_lines and previous != head.hash:
            return Broken(number, "it was written anew: its hash is not the one in the head")
    if len(lines) < head.n_lines:
        n = head.n_lines - len(lines)
        return Broken(len(lines) + 1, f"{n} lines are missing at the end")
    if len(lines) > head.n_lines + 1:  # one ahead is a crash between a line and its head
        return Broken(head.n_lines + 2, "the .head file is older than this line, or is gone")
    return None


def last(path: Path, todo: str = KEEP) -> Head:
    """Give the number and hash of the last whole line, to be noted elsewhere."""
    newest = next(newest_first(path, todo), None)
    return Head(int(str(newest["line"])), str(newest["hash"])) if newest else Head(0, START)


def _check_line(line: bytes, number: int, previous: str) -> Broken | None:
    if not _holds_its_hash(line):
        return Broken(number, "it was changed")
    entry = json.loads(line)
    if entry.get("line") != number:
        return Broken(number, f"a line was removed or moved: line {entry.get('line')} stands here")
    if entry.get("previous") != previous:
        if number == 1:
            return Broken(1, "it was written anew")
        return Broken(number - 1, "it was written anew: the next line holds another hash of it")
    return None


def _holds_its_hash(line: bytes) -> bool:
    text, _, own = line.rpartition(HASH)
    return bool(text) and own == _digest(text + b"}").encode() + b'"}'


def _checked_head(path: Path, line: bytes, todo: str) -> Head:
    """Hold the last whole line against the head; one line ahead of it is a crash."""
    head = _read_head(path)
    if not line and head.n_lines == 0:
        return head
    try:
        entry = json.loads(line)
        found = Head(int(entry["line"]), str(entry["hash"]))
    except (ValueError, KeyError, TypeError):
        found, entry = Head(0, ""), {}
    is_ahead = found.n_lines == head.n_lines + 1 and entry.get("previous") == head.hash
    if _holds_its_hash(line) and (found == head or is_ahead):
        if is_ahead:  # a second crash must not leave the head two lines behind
            _write_head(path, found)
        return found
    raise RunError(
        f"{path} does not end with the line that was written last (line {head.n_lines})",
        todo=f"{todo}. To go on, put both it and its .head file aside",
    )


def _read_head(path: Path) -> Head:
    try:
        facts = json.loads(path.with_suffix(".head").read_text())
        return Head(int(facts["lines"]), str(facts["hash"]))
    except FileNotFoundError:
        return Head(0, START)
    except (ValueError, KeyError, TypeError):
        return Head(-2, "")  # damaged: it fits no record


def _write_at_end(file: BinaryIO, data: bytes) -> None:
    """Write past the buffer of Python, which would try the rest again when the file is closed."""
    while data:
        data = data[os.write(file.fileno(), data) :]
    os.fsync(file.fileno())


def _write_head(path: Path, head: Head) -> None:
    facts = json.dumps({"lines": head.n_lines, "hash": head.hash})
    write_atomic(path.with_suffix(".head"), facts.encode())


def _own_hash(line: bytes) -> str:
    return line.rpartition(HASH)[2][:64].decode()


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _end_of_last_line(file: BinaryIO) -> int:
    """Give the place after the last line break; what follows was torn by a crash."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _lines_from_end(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Give the lines before a place, the last first."""
    rest = b""
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        rest = file.read(end - start) + rest
        first, *whole = rest.removesuffix(b"\n").split(b"\n")
        if not whole and start > 0:  # the line is longer than what was read
            end = start
            continue
        yield from reversed(whole)
        rest, end = first + b"\n", start
    if rest:
        yield rest.removesuffix(b"\n")
