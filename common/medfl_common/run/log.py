"""The run log: one JSON line per event, all that reports and pages read."""

import json
import os
import time
from pathlib import Path

from medfl_common.files import Json, write_atomic

Event = dict[str, Json]


class RunLog:
    """The file `log.jsonl` of one run directory; a torn last line from a crash is cut off."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.jsonl"
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
        except OSError:  # a full disk: take half a line away again
            if self.path.exists():
                os.truncate(self.path, size)
            raise

    def take_back_rounds(self, after: int) -> None:
        """Rename the events of rounds whose checkpoint was lost: they are made again.

        So every round is in the log once.
        """
        events = self.events()
        lost = [e for e in events if e["event"] == "round" and int(str(e["round"])) > after]
        if lost:
            for event in lost:
                event["event"] = "round_taken_back"
            lines = "".join(json.dumps(event) + "\n" for event in events)
            write_atomic(self.path, lines.encode())

    def events(self, kind: str | None = None) -> list[Event]:
        """Read the events, of one kind or all, in the order written."""
        return [event for event in read_events(self.path) if kind in (None, event["event"])]

    def _cut_torn_line(self) -> None:
        if self.path.exists():
            data = self.path.read_bytes()
            if data and not data.endswith(b"\n"):
                write_atomic(self.path, data[: data.rfind(b"\n") + 1])


def read_events(path: Path) -> list[Event]:
    """Read a log file; a file that is not there has no events."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
