"""What the coordinator has heard of the hospitals' ledgers: DIR/ledgers.json.

site -> line, hash and time of the last line, and in `lost` those that a later reply went back on
"""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from medfl_common.errors import RunError
from medfl_common.files import write_atomic
from medfl_common.run.folder import RunFolder

MOST = 20  # lost lines that are kept of a site, the first of them


@dataclass(frozen=True)
class Heard:
    """The last line of a site's ledger."""

    line: int
    hash: str
    time: float  # seconds since 1970
    lost: list[tuple[int, str, float]] = field(default_factory=list)


def read_ledgers(folder: Path) -> dict[str, Heard]:
    """Read what was heard, by site."""
    path = RunFolder(folder).ledgers
    if not path.exists():
        return {}
    try:
        return {site: Heard(**facts) for site, facts in json.loads(path.read_text()).items()}
    except (ValueError, TypeError, AttributeError):
        raise RunError(
            f"{path} is damaged", todo="put it back from a copy, or aside as evidence"
        ) from None


def in_words(heard: Heard | None) -> str:
    """Say which line a hospital should find in its ledger, and whether it lost one."""
    if heard is None:
        return "none heard of yet"
    lost = "".join(f"\nLOST line {line} (hash {hash_[:12]})" for line, hash_, _ in heard.lost)
    return f"line {heard.line}, hash {heard.hash}{lost}"


class Ledgers:
    """The file of a study that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._heard = read_ledgers(folder)

    def of(self, site: str) -> Heard | None:
        """Give the last line that was heard of."""
        return self._heard.get(site)

    def note(self, site: str, line: int, hash_: str) -> Heard | None:
        """Take a site's last line from its signed reply; give what it has gone back on, if it has.

        Lines are added one by one and never taken back: a line with the number of one that was
        heard of, or a lower one, and another hash means that the ledger was cut or replaced.
        """
        before = self._heard.get(site)
        if before is not None and (before.line, before.hash) == (line, hash_):
            return None
        lost = [*before.lost] if before else []
        is_back = before is not None and line <= before.line
        if before is not None and is_back and len(lost) < MOST:
            lost.append((before.line, before.hash, before.time))
        self._heard[site] = Heard(line, hash_, round(time.time(), 3), lost)
        values = {name: asdict(heard) for name, heard in self._heard.items()}
        with suppress(OSError):  # a full disk: the next reply writes it again
            write_atomic(RunFolder(self._folder).ledgers, json.dumps(values, indent=1).encode())
        return before if is_back else None
