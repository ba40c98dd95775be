"""What a site did in a run's secure sums, written down before anything of it leaves.

The secret is on the disk, for its owner alone, before its public half leaves; a line is before the
vector or the shares that it is about leave. So a site that is killed anywhere answers the same
again, or refuses.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medfl_client.config.folder import SumFolder
from medfl_client.egress import ledger
from medfl_client.egress.sums.round_keys import StretchSecret
from medfl_common.errors import RunError
from medfl_common.files import Json, write_private

Entry = Mapping[str, Json]


class Journal(Protocol):
    """Where a site keeps what it did."""

    def secret(self) -> StretchSecret | None:
        """Give the newest stretch's secret; None: no keys were made."""

    def keep_secret(self, secret: StretchSecret) -> None:
        """Keep it in place of the one before."""

    def entries(self) -> list[Entry]:
        """List what was done, in order."""

    def add(self, entry: Entry) -> None:
        """Note what is about to be done."""


class MemoryJournal:
    """Of a virtual hospital: it lasts as long as the simulation."""

    def __init__(self) -> None:
        self._secret: StretchSecret | None = None
        self._entries: list[Entry] = []

    def secret(self) -> StretchSecret | None:
        """Give the newest stretch's secret."""
        return self._secret

    def keep_secret(self, secret: StretchSecret) -> None:
        """Keep it in place of the one before."""
        self._secret = secret

    def entries(self) -> list[Entry]:
        """List what was done, in order."""
        return self._entries

    def add(self, entry: Entry) -> None:
        """Note what is about to be done."""
        self._entries.append(entry)


@dataclass(frozen=True)
class FileJournal:
    """Of a hospital, in a folder for each run."""

    folder: SumFolder

    @classmethod
    def of(cls, secure: Path, run: str) -> "FileJournal":
        """Give the journal of a run below the folder `secure` of a site's state."""
        return cls(SumFolder(secure / run))

    def secret(self) -> StretchSecret | None:
        """Give the newest stretch's secret; raises RunError where the file is damaged."""
        path = self.folder.key
        try:
            facts = json.loads(path.read_text())
            channel, chain = (bytes.fromhex(facts[name]) for name in ("channel", "chain"))
            return StretchSecret(int(facts["number"]), channel, int(facts["round"]), chain)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise _unusable(path, "it is damaged") from None

    def keep_secret(self, secret: StretchSecret) -> None:
        """Write it in place of the one before; only its owner can read it."""
        facts = {
            "number": secret.number,
            "channel": secret.channel.hex(),
            "round": secret.round,
            "chain": secret.chain.hex(),
        }
        write_private(self.folder.key, json.dumps(facts).encode())

    def forget(self) -> None:
        """Delete the secrets: the run is over."""
        self.folder.key.unlink(missing_ok=True)

    def entries(self) -> list[Entry]:
        """Read all lines; raises RunError where one was changed or is missing."""
        path = self.folder.journal
        if broken := ledger.first_broken_line(path):
            raise _unusable(path, f"line {broken.line}: {broken.what}")
        return [*ledger.read_lines(path)]

    def add(self, entry: Entry) -> None:
        """Write a line; return only when it is on the disk."""
        self.folder.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        ledger.append(self.folder.journal, entry)


def _unusable(path: Path, what: str) -> RunError:
    return RunError(
        f"{path}: {what}. Nothing is masked or opened in this run",
        data="nothing was sent",
        todo="put the folder aside as evidence; tell the coordinator that this site stays away "
        "from the rest of the run",
    )
