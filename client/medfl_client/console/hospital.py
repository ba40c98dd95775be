"""What a console knows of a hospital from its files: read anew each time, nothing is kept twice."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfl_client.config.folder import SiteFolder, StateFolder, home_of
from medfl_client.config.rules import RULES
from medfl_client.config.site_file import SiteFile, load_site_file
from medfl_client.config.studies import running_state, study_folders
from medfl_client.egress import ledger
from medfl_client.egress.approvals import Status, read_records, status_of, waiting_plan
from medfl_client.egress.ending import has_finished
from medfl_client.egress.message_entry import MessageEntry
from medfl_common.errors import MedflError
from medfl_common.files import holder
from medfl_common.plan.plan import Plan, load_plan

OWN = "_"  # the key of the hospital's own directory; no study has such a name
REFUSED = re.compile(r"refused: (P[0-9]+)")
WORDS = dict(RULES.values())  # of a rule, by its number
Stamp = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Study:
    """One study of the hospital: its directory, and what stands there now."""

    key: str  # in the console's addresses
    folder: Path

    @property
    def files(self) -> SiteFolder:
        """Name its files."""
        return SiteFolder(self.folder)

    @property
    def state(self) -> StateFolder:
        """Name what medfl writes there."""
        return StateFolder.of(self.folder)

    @property
    def site(self) -> SiteFile | None:
        """Read the site file; None: there is none yet, or it cannot be read."""
        try:
            return load_site_file(self.folder)
        except (MedflError, OSError):
            return None

    @property
    def plan_file(self) -> Path | None:
        """Name the plan that waits, or that came with the invitation; None: there is none."""
        try:
            return waiting_plan(self.files)
        except MedflError:
            return None

    @property
    def plan(self) -> Plan | None:
        """Read that plan; None: there is none, or it cannot be read."""
        try:
            return load_plan(self.plan_file) if self.plan_file is not None else None
        except (MedflError, OSError):
            return None

    @property
    def name(self) -> str:
        """Name the study: as its plan does, or as it was approved, or as its directory."""
        plan = self.plan
        if plan is not None:
            return plan.study
        try:
            records = read_records(self.state.path)
        except MedflError:
            records = []
        return records[-1].study if records else self.folder.resolve().name

    def status(self, plan: Plan) -> Status:
        """Say whether a plan is approved here; of a file that was tampered with nothing is."""
        try:
            return status_of(self.state.path, plan.hash())
        except MedflError:
            return "not approved"

    @property
    def readiness(self) -> Mapping[str, Any] | None:
        """Give what the last look at the data said; None: nobody has looked."""
        try:
            facts: dict[str, Any] = json.loads(self.state.readiness.read_text())
        except (OSError, ValueError):
            return None
        return facts if facts.get("version") == 1 else None

    @property
    def newest(self) -> MessageEntry | None:
        """Give the last line of the ledger."""
        try:
            line = next(ledger.newest_first(self.state.ledger), None)
        except MedflError:
            return None
        return None if line is None else MessageEntry(line)

    @property
    def why_refused(self) -> str:
        """Say by which rule the last task was refused; empty: it was not."""
        newest = self.newest
        found = REFUSED.match(newest.decision) if newest is not None else None
        return f"{found[1]}: {WORDS.get(found[1], '')}" if found else ""

    @property
    def is_finished(self) -> bool:
        """Say whether the last run has left its final model here."""
        try:
            return has_finished(self.state.path)
        except MedflError:
            return False

    def stamp(self, *more: Path) -> Stamp:
        """Give what changes when the facts above may."""
        state, plan = self.state, self.plan_file
        paths = (
            self.files.site_file, self.files.ca, state.approvals, state.ledger, state.readiness,
            state.models, state.incidents, *((plan,) if plan else ()), *more,
        )  # fmt: skip
        return tuple(map(mark, paths))


class Hospital:
    """The hospital of a console.

    Args:
        folder: Its directory, which may not be there yet, or one of its studies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = home_of(folder).resolve()

    @property
    def is_set_up(self) -> bool:
        """Say whether it has joined a study: there is a site file."""
        return SiteFolder(self.folder).site_file.exists()

    @property
    def studies(self) -> list[Study]:
        """List the studies, the hospital's own directory first."""
        own, *others = study_folders(self.folder)
        return [Study(OWN, own), *(Study(folder.name, folder) for folder in others)]

    def study(self, key: str) -> Study:
        """Find a study; raises KeyError for one that is not here."""
        return {one.key: one for one in self.studies}[key]

    @property
    def process(self) -> str:
        """Name the client's process; empty: none runs."""
        return holder(running_state(self.folder))


def mark(path: Path) -> tuple[int, int] | None:
    """Give the size and time of a file; None: it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns
