"""The file `tallies.jsonl`: the counts behind a run log's scores, one line for each of its lines.

Counts are most of a reply's bytes, and few readers want them. So a line of the log names the place
and the SHA-256 of its counts. They are on the disk before it; counts that no line of the log names
are left over from a crash, and nobody reads them.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from typing import Any, cast

from medfl_common.errors import RunError
from medfl_common.files import Json
from medfl_common.run.events import Asked
from medfl_common.run.site_reply import COUNTED, HEAVY, Facts

POINTER = "tallies"  # of a log line: where its counts are, their hash, and which kinds there are
MOST_HELD = 4  # lines that a reader holds


def split(values: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Part an event's facts: what stays in the log line, and the counts; empty: it has none."""
    light: dict[str, Json] = {k: v for k, v in values.items() if k != POINTER}
    heavy: dict[str, Json] = {}
    replies = values.get("sites")
    if isinstance(replies, Mapping):
        parted = {site: _part(facts) for site, facts in replies.items()}
        light["sites"] = {site: rest for site, (rest, _) in parted.items()}
        if counts := {site: told for site, (_, told) in parted.items() if told}:
            heavy["sites"] = cast("Json", counts)
    if isinstance(values.get("pooled"), Mapping):
        light["pooled"], told = _part(values["pooled"])
        heavy |= {"pooled": told} if told else {}
    return light, heavy


def _part(facts: Any) -> tuple[Json, dict[str, Json]]:
    if not isinstance(facts, Mapping):  # `started` lists the names of its sites
        return facts, {}
    told: dict[str, Json] = {key: facts[key] for key in HEAVY if key in facts}
    rest: dict[str, Json] = {key: facts[key] for key in facts if key not in HEAVY}
    counted = next((told[key] for key in COUNTED if key in told), None)
    if isinstance(counted, dict):
        rest["n_scored"] = counted["n"]
    return rest, told


class Tallies:
    """The counts of one run's log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: dict[str, Facts] = {}  # by hash, the last few that were read

    def append(self, event: str, values: Mapping[str, Json]) -> Json:
        """Write the counts of a log line that is to come, durably; give what the line says."""
        kinds: set[str] = set()
        for told in [*cast("dict[str, Any]", values.get("sites", {})).values(),
                     cast("dict[str, Any]", values.get("pooled", {}))]:  # fmt: skip
            kinds |= told.keys()
        line = json.dumps({"event": event, **values}).encode()
        at = self.path.stat().st_size if self.path.exists() else 0
        begin = b"" if ends_whole(self.path) else b"\n"  # after what a crash tore
        try:
            with self.path.open("ab", buffering=0) as file:
                if file.write(begin + line + b"\n") != len(begin) + len(line) + 1:
                    raise OSError(ENOSPC, os.strerror(ENOSPC), str(self.path))
                os.fsync(file.fileno())
        except OSError:
            self.cut(at)
            raise
        sha256 = hashlib.sha256(line).hexdigest()
        return {"at": at + len(begin), "sha256": sha256, "kinds": [*sorted(kinds)]}

    def cut(self, size: int) -> None:
        """Remove what was written after so many bytes."""
        with suppress(OSError):
            os.truncate(self.path, size)

    def read(self, pointer: Facts, line: Facts) -> Facts:
        """Read the counts that a log line names; raises RunError where they are others."""
        sha256 = str(pointer["sha256"])
        if sha256 not in self._held:
            data = self._line_at(int(pointer["at"]))
            if hashlib.sha256(data).hexdigest() != sha256:
                raise self._not_these(line)
            while len(self._held) >= MOST_HELD:
                del self._held[next(iter(self._held))]
            self._held[sha256] = json.loads(data)
        return self._held[sha256]

    def _line_at(self, at: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(at)
                return file.readline().removesuffix(b"\n")
        except FileNotFoundError:
            return b""

    def _not_these(self, line: Facts) -> RunError:
        of = f" of round {line['round']}" if "round" in line else ""
        return RunError(
            f"{self.path} has not the counts{of} that the run log was written with: it is missing, "
            "damaged or another run's",
            todo=f"put {self.path.name} and the run log back from one copy",
            who="your IT department",
            data="the scores in the run log are as they were",
        )


class SplitFacts(Mapping[str, Any]):
    """What a log line says of one reply; its counts are read where somebody asks for them.

    Args:
        light: What the line itself says.
        place: Where the counts are in their line: of a site, or of a sum.
        tallies: The file.
        line: The log line.
    """

    def __init__(self, light: Facts, place: tuple[str, ...], tallies: Tallies, line: Facts) -> None:
        self._light = light
        self._place = place
        self._tallies = tallies
        self._line = line

    def __getitem__(self, key: str) -> Any:
        """Give a fact, or counts."""
        if key in self._light or key not in self._line[POINTER]["kinds"]:
            return self._light[key]
        return self._counts()[key]

    def __iter__(self) -> Iterator[str]:
        """List the names of all facts, of the counts too."""
        return iter({**self._light, **self._counts()})

    def __len__(self) -> int:
        """Count them."""
        return len({**self._light, **self._counts()})

    def _counts(self) -> Facts:
        found = self._tallies.read(self._line[POINTER], self._line)
        for name in self._place:
            found = found.get(name, {})
        return found


def joined(line: Facts, tallies: Tallies) -> Facts:
    """Give a log line whose counts are read where somebody asks for them; an old line as it is."""
    if POINTER not in line:
        return line
    sites = {
        site: SplitFacts(facts, ("sites", site), tallies, line)
        for site, facts in line.get("sites", {}).items()
    }
    pooled = line.get("pooled")
    more = {} if pooled is None else {"pooled": SplitFacts(pooled, ("pooled",), tallies, line)}
    rest = {key: value for key, value in line.items() if key != POINTER}
    return {**rest, "sites": sites, **more}


def has_counts(event: Asked) -> bool:
    """Say whether the counts of an event can be read, where it has any.

    A copy that was made while the study ran may have a log that is newer than its counts.
    """
    told = [reply.facts for reply in (*event.sites.values(), event.pooled) if reply is not None]
    try:
        return all(dict(facts) is not None for facts in told)
    except RunError:
        return False


def ends_whole(path: Path) -> bool:
    """Say whether a file of lines ends with a whole one; an empty or missing one does."""
    if not path.exists() or not path.stat().st_size:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
