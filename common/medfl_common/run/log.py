"""The run log: one JSON line per event; reports and pages read nothing else but its counts.

Counts are in a file beside it, and read where somebody asks for them; see tallies.
"""

import json
import os
import time
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path
from typing import TypeVar

from medfl_common.errors import RunError
from medfl_common.files import Json, alone, write_atomic
from medfl_common.run.decisions import Stopped
from medfl_common.run.events import (
    KINDS,
    Event,
    Finished,
    ModelScored,
    RoundMade,
    ScoredOnTest,
    ScoredOutside,
    event_of,
)
from medfl_common.run.folder import RunFolder
from medfl_common.run.tallies import POINTER, Tallies, ends_whole, joined, split

Line = dict[str, Json]
Kind = TypeVar("Kind", bound=Event)
TAKEN_BACK = "round_taken_back"  # a round whose checkpoint was lost; it is made again
ENDS = (Stopped.kind, ModelScored.kind, ScoredOnTest.kind, ScoredOutside.kind, Finished.kind)
BEGINS, MOST_NAME = b'{"event": "', 40  # so each line begins, as `write` has it; bytes of a kind
BEFORE = "_before"  # follows the kind of an end, once the study goes on


class RunLog:
    """The file `log.jsonl` of one run directory; it drops a last line that a crash tore."""

    def __init__(self, folder: Path) -> None:
        self.path = RunFolder(folder).log
        self._tallies = Tallies(RunFolder(folder).tallies)
        self._cut_torn_line()

    def write(self, event: str, **values: Json) -> None:
        """Append one event with the time, its counts first, and make both durable."""
        light, counts = split(values)
        with alone(self.path.parent):  # `enrol` writes while the study runs
            before = _size(self._tallies.path)
            try:
                if counts:
                    light[POINTER] = self._tallies.append(event, counts)
                self._append({"event": event, "time": round(time.time(), 3), **light})
            except OSError:  # the log names no counts of a line that is not there
                if counts:
                    self._tallies.cut(before)
                raise

    def _append(self, facts: Line) -> None:
        data, size = (json.dumps(facts) + "\n").encode(), _size(self.path)
        try:
            with self.path.open("ab", buffering=0) as file:
                if file.write(data) != len(data):
                    raise OSError(ENOSPC, os.strerror(ENOSPC), str(self.path))
                os.fsync(file.fileno())
        except OSError:  # a full disk: remove the half line again
            if self.path.exists():
                os.truncate(self.path, size)
            raise

    def add(self, event: Event) -> None:
        """Append one event."""
        self.write(event.kind, **event.facts)

    def read(self, kind: type[Kind]) -> list[Kind]:
        """Read the events of one kind, in the order written; of `Event` the study's course."""
        found = (self.event(line) for line in _lines_of(self.path, kind))
        return [e for e in found if isinstance(e, kind) and e.is_beside <= kind.is_beside]

    def event(self, line: Line) -> Event:
        """Give a line of this log its type, and its counts to who asks for them."""
        return event_of(joined(line, self._tallies))

    def lines(self, kind: str | None = None) -> list[Line]:
        """Read the lines as they are, without their counts, of one kind or all."""
        return [line for line in read_lines(self.path) if kind in (None, line["event"])]

    def take_back_rounds(self, after: int) -> None:
        """Mark the rounds whose checkpoint is lost: the coordinator repeats them.

        So every round is in the log once.
        """
        with alone(self.path.parent):
            lines = without_rounds(read_lines(self.path), after)
            if lines is not None:
                text = "".join(json.dumps(line) + "\n" for line in lines)
                write_atomic(self.path, text.encode())

    def go_on(self, why: Event, after: int) -> None:
        """Note why a study goes on after a round: what ended it is an end no more.

        Rounds after that one are taken back. All is in the file at once.
        """
        with alone(self.path.parent):
            lines = read_lines(self.path)
            lines = without_rounds(lines, after) or lines
            for line in lines:
                if line["event"] in ENDS:
                    line["event"] = f"{line['event']}{BEFORE}"
            lines.append({"event": why.kind, "time": round(time.time(), 3), **why.facts})
            text = "".join(json.dumps(line) + "\n" for line in lines)
            write_atomic(self.path, text.encode())

    def _cut_torn_line(self) -> None:
        if not self._is_torn():
            return
        with alone(self.path.parent):
            if self._is_torn():  # and not just being written
                data = self.path.read_bytes()
                write_atomic(self.path, data[: data.rfind(b"\n") + 1])

    def _is_torn(self) -> bool:
        return not ends_whole(self.path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def read_lines(path: Path) -> list[Line]:
    """Read the whole lines of a log, which may be growing; a missing file has none."""
    return [_of_event(line, n, path) for n, line in _whole_lines(path)]


def parsed(line: bytes, number: int, path: Path) -> Line:
    """Read one line of a file of JSON lines, the first is 1; RunError where it is damaged."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise damaged(number, path)
    return found


def damaged(number: int, path: Path) -> RunError:
    """Give the error of a line that is none."""
    return RunError(
        f"line {number} of {path.name} is damaged", todo="put the file back from a copy",
        data="nothing of it is counted until then",
    )  # fmt: skip


def _of_event(line: bytes, number: int, path: Path) -> Line:
    found = parsed(line, number, path)
    if "event" not in found:
        raise damaged(number, path)
    return found


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for n, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            if line.strip():
                yield n, line


def _lines_of(path: Path, kind: type[Event]) -> Iterator[Line]:
    """Read the lines that may be of a kind; others are not parsed, for they are thousands."""
    others = {one.kind.encode() for one in KINDS.values() if not issubclass(one, kind)}
    for n, line in _whole_lines(path):
        name = line[len(BEGINS) : len(BEGINS) + MOST_NAME].partition(b'"')[0]
        if not (line.startswith(BEGINS) and name in others):
            yield _of_event(line, n, path)


def without_rounds(lines: list[Line], after: int) -> list[Line] | None:
    """Mark the rounds after `after` as taken back; None where there is none."""
    lost = [x for x in lines if x["event"] == RoundMade.kind and int(str(x["round"])) > after]
    for line in lost:
        line["event"] = TAKEN_BACK
    return lines if lost else None
