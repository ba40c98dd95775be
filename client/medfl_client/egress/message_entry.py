"""What the ledger says of a message: names, sizes, a norm and hashes, not the values.

No other file knows the JSON of these lines.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from medfl_client.config.folder import StateFolder
from medfl_client.config.site_file import Policy
from medfl_client.config.studies import states_of
from medfl_client.egress import ledger

RELEASED = "released"
UNKNOWN = "unknown"  # in place of the facts of a task that could not be read
DAY_S = 86_400
COLUMNS = (
    "line", "time", "study", "run", "plan", "kind", "round", "to", "bytes", "arrays", "norm",
    "numbers", "sha256", "decision", "policy", "privacy", "cut", "previous", "hash",
)  # fmt: skip
REQUIRED = {*COLUMNS} - {"cut", "policy", "privacy"}  # earlier lines have no policy


@dataclass(frozen=True)
class MessageEntry:
    """One line of the ledger; what a later version adds stays in `facts`."""

    facts: Mapping[str, Any]

    @property
    def is_whole(self) -> bool:
        """Say whether the line has everything that a line of this version has."""
        return self.facts.keys() >= REQUIRED

    @property
    def time(self) -> float:
        """Seconds since 1970."""
        return float(self.facts["time"])

    @property
    def study(self) -> str:
        """Name of the study."""
        return str(self.facts["study"])

    @property
    def run(self) -> str:
        """Id of the run, 32 hex digits; empty where the task could not be read."""
        run = str(self.facts["run"])
        return "" if run == UNKNOWN else run

    @property
    def plan(self) -> str:
        """Hash of the plan."""
        return str(self.facts["plan"])

    @property
    def kind(self) -> str:
        """What was asked: train, evaluate, describe or unknown."""
        return str(self.facts["kind"])

    @property
    def round(self) -> int:
        """The round; 0 before the first."""
        return int(self.facts["round"])

    @property
    def to(self) -> str:
        """Address of the coordinator."""
        return str(self.facts["to"])

    @property
    def n_bytes(self) -> int:
        """Bytes of arrays and numbers."""
        return int(self.facts["bytes"])

    @property
    def n_arrays(self) -> int:
        """Tensors of the update."""
        return len(self.facts["arrays"])

    @property
    def norm(self) -> float:
        """L2 norm of the update."""
        return float(self.facts["norm"])

    @property
    def line(self) -> int:
        """The line's number."""
        return int(self.facts["line"])

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the numbers and lists of counts."""
        return tuple(map(str, self.facts["numbers"]))

    @property
    def sha256(self) -> str:
        """Digest of the message's content, as the coordinator's log has it too."""
        return str(self.facts["sha256"])

    @property
    def policy(self) -> dict[str, Any] | None:
        """The policy that held for the message; None where an earlier version wrote the line."""
        return self.facts.get("policy")

    @property
    def decision(self) -> str:
        """`released`, `refused: RULE` or `failed: CODE`."""
        return str(self.facts.get("decision", ""))

    @property
    def is_released(self) -> bool:
        """Say whether an update or counts left, not a code only."""
        return self.decision == RELEASED

    @property
    def outcome(self) -> str:
        """Say released, refused or failed; a line of a version without `decision` by its arrays."""
        if self.decision:
            return self.decision.split(":")[0]
        is_code = self.kind in ("train", UNKNOWN) and not self.n_arrays
        return "refused" if is_code else "released"

    def cells(self) -> list[object]:
        """Give the values of COLUMNS, for a CSV."""
        return [self.facts.get(name) for name in COLUMNS]


def message_entries(state: Path) -> list[MessageEntry]:
    """Read the whole ledger of a site; raises RunError where a line is damaged."""
    path = StateFolder(state).ledger
    found = [MessageEntry(line) for line in ledger.read_lines(path)]
    if not all(entry.is_whole for entry in found):
        raise ledger.damaged(path)
    return found


class Sent(NamedTuple):
    """The megabytes that have left, for all studies of the hospital together."""

    day: float = 0.0  # in the last 24 hours
    ever: float = 0.0  # in all; 0 where no policy bounds it


NOTHING = Sent()


def mb_sent(state: Path, policy: Policy) -> Sent:
    """Add up what left, by the ledgers of all studies of the hospital."""
    states, since = states_of(state), time.time() - DAY_S
    ever = 0.0 if policy.max_mb_ever is None else sum(_mb_since(one, 0.0) for one in states)
    return Sent(sum(_mb_since(one, since) for one in states), ever)


def _mb_since(state: Path, since: float) -> float:
    total = 0
    for line in ledger.newest_first(StateFolder(state).ledger):
        entry = MessageEntry(line)
        if entry.time < since:
            break
        total += entry.n_bytes
    return total / 1e6
