"""Whose fingerprint was compared by telephone, by whom and when: DIR/compared.json.

Fingerprint -> who compared it. New keys have another one, so what was compared is forgotten with
the keys. It is a note for people at the coordinator: no message has it, and no hospital sees it.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from medfl_common.errors import ConfigError, RunError
from medfl_common.files import alone, write_atomic
from medfl_common.run.folder import RunFolder
from medfl_common.visible import visible
from medfl_server.roster.enrolment import read_roster

VERSION = 1
MOST = 80  # characters of a person's name


@dataclass(frozen=True)
class Compared:
    """Somebody has compared a fingerprint with the hospital."""

    site: str
    by: str  # who compared it
    time: float  # seconds since 1970

    @property
    def in_words(self) -> str:
        """Say it to a person."""
        day = time.strftime("%Y-%m-%d", time.localtime(self.time))
        return f"by {visible(self.by)} on {day}"


def read_comparisons(folder: Path) -> dict[str, Compared]:
    """Read what was compared, by the hospital's name: its present keys only."""
    noted = _read(folder)
    found = {name: noted.get(site.fingerprint) for name, site in read_roster(folder).items()}
    return {name: one for name, one in found.items() if one is not None and one.site == name}


def note_compared(folder: Path, site: str, by: str, seen: str = "") -> str:
    """Note that somebody has compared a hospital's fingerprint; give the fingerprint.

    Raises ConfigError for a hospital that is not enrolled, for who has no name, and where the
    hospital has another fingerprint by now than the one `seen`; empty: it is not asked.
    """
    by = by.encode(errors="replace").decode().strip()
    if not by or len(by) > MOST:
        raise ConfigError(
            f"who compared has a name of 1 to {MOST} characters, not of {len(by)}",
            todo="write who telephoned, such as --by 'A. Miller'",
        )
    with alone(folder):
        roster = read_roster(folder)
        if site not in roster:
            enrolled = ", ".join(roster) or "none"
            raise ConfigError(f"{site} is not enrolled; enrolled: {enrolled}")
        shown = roster[site].fingerprint
        if seen not in ("", shown):
            raise ConfigError(
                f"{site} has other keys by now: {shown}, and not {seen}",
                todo="have the hospital read its fingerprint once more", data="nothing was noted",
            )  # fmt: skip
        known = {other.fingerprint for other in roster.values()}
        kept = {key: one for key, one in _read(folder).items() if key in known}
        noted = {**kept, shown: Compared(site, by, round(time.time(), 3))}
        values = {key: asdict(one) for key, one in noted.items()}
        facts = {"version": VERSION, "fingerprints": values}
        write_atomic(RunFolder(folder).compared, json.dumps(facts, indent=1).encode())
    return shown


def _read(folder: Path) -> dict[str, Compared]:
    path = RunFolder(folder).compared
    if not path.exists():
        return {}
    try:
        facts = json.loads(path.read_text())
        if facts["version"] != VERSION:
            raise RunError(f"{path} is of a newer medfl", todo="run the medfl that wrote it")
        return {key: Compared(**values) for key, values in facts["fingerprints"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RunError(
            f"{path} is damaged", todo="put it back from a copy, or remove it and compare anew"
        ) from None
