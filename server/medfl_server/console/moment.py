"""What a study waits for at this moment: the hint `live.json`, true only while `run` is alive."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WAITS, RESTS, ENDS = "waiting for hospitals", "paused", "ending"  # between questions


@dataclass(frozen=True)
class SiteNow:
    """What a site does for the question that is open."""

    state: str  # away, asked, answered, failed, waiting, late
    since: float  # seconds since 1970
    why: str = ""


@dataclass(frozen=True)
class Moment:
    """The question that is open, and what each site does for it."""

    kind: str  # of the task, or WAITS, RESTS, ENDS
    round: int
    since: float  # seconds since 1970
    deadline: float | None  # seconds since 1970
    quorum: int | None  # valid replies that are needed
    sites: Mapping[str, SiteNow]

    def names(self, *states: str) -> list[str]:
        """List the sites in one of the states."""
        return [name for name, one in self.sites.items() if one.state in states]


def moment_in(path: Path, pid: str) -> Moment | None:
    """Read the hint; None: there is none, or another process than `pid` wrote it."""
    try:
        told = json.loads(path.read_text())
        if str(told.get("pid", pid)) != pid:
            return None
        sites = {
            str(name): SiteNow(str(one["state"]), float(one["since"]), str(one.get("why", "")))
            for name, one in told["sites"].items()
        }
        return Moment(
            str(told["kind"]), int(told["round"]), float(told["since"]),
            told.get("deadline"), told.get("quorum"), sites,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
