"""The run log: one JSON line per event; reports and pages read nothing else."""

import json
import os
import time
from pathlib import Path
from typing import TypeVar

from medfl_common.files import Json, write_atomic
from medfl_common.run.events import Event, event_of, without_rounds
from medfl_common.run.folder import RunFolder

Line = dict[str, Json]
Kind = TypeVar("Kind", bound=Event)


class RunLog:
    """The file `log.jsonl` of one run directory; it drops a last line that a crash tore."""

    def __init__(self, folder: Path) -> None:
        self.path = RunFolder(folder).log
        self._cut_torn_line()

    def write(self, event: str, **values: Json) -> None:
        """Append one event with the time, and make it durable."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **values})
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a full disk: remove the half line again
            if self.path.exists():
                os.truncate(self.path, size)
            raise

    def add(self, event: Event) -> None:
        """Append one event."""
        self.write(event.kind, **event.facts)

    def read(self, kind: type[Kind]) -> list[Kind]:
        """Read the events of one kind, in the order written; of `Event` all."""
        found = (event_of(line) for line in read_lines(self.path))
        return [event for event in found if isinstance(event, kind)]

    def lines(self, kind: str | None = None) -> list[Line]:
        """Read the lines as they are, of one kind or all."""
        return [line for line in read_lines(self.path) if kind in (None, line["event"])]

    def take_back_rounds(self, after: int) -> None:
        """Mark the rounds whose checkpoint is lost: the coordinator repeats them.

        So every round is in the log once.
        """
        lines = without_rounds(read_lines(self.path), after)
        if lines is not None:
            text = "".join(json.dumps(line) + "\n" for line in lines)
            write_atomic(self.path, text.encode())

    def _cut_torn_line(self) -> None:
        if self.path.exists():
            data = self.path.read_bytes()
            if data and not data.endswith(b"\n"):
                write_atomic(self.path, data[: data.rfind(b"\n") + 1])


def read_lines(path: Path) -> list[Line]:
    """Read the lines of a log; a missing file has none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
