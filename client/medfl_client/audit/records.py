"""Show the ledger to a person: is it whole, what left in each round, to whom, and why."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.egress import ledger
from medfl_client.egress.message_entry import COLUMNS, MessageEntry, message_entries
from medfl_common.errors import ConfigError
from medfl_common.ui.spreadsheet import csv_text
from medfl_common.ui.told import Shows

HEADER = ["time", "kind", "round", "what left", "kB", "norm", "to", "decision"]


@dataclass(frozen=True)
class Totals:
    """The sums of what left."""

    messages: int
    released: int
    refused: int
    bytes: int
    rounds: int  # of all runs
    receivers: list[str]


def read_ledger(folder: Path, run: str = "") -> list[MessageEntry]:
    """Read a site's ledger: all of it, the `last` run, or the run whose id begins with `run`."""
    found = message_entries(SiteFolder(folder).state)
    if not run:
        return found
    runs = list(dict.fromkeys(entry.run for entry in found if entry.run))
    chosen = runs[-1:] if run == "last" else [name for name in runs if name.startswith(run)]
    if len(chosen) != 1:
        known = ", ".join(name[:8] for name in runs) or "none yet"
        raise ConfigError(
            f"{run!r} names {len(chosen)} runs in the ledger", todo=f"name one of: {known}"
        )
    return [entry for entry in found if entry.run == chosen[0]]


def runs_of(entries: Sequence[MessageEntry]) -> dict[str, list[MessageEntry]]:
    """Group lines by study and run, in the order of their first lines."""
    found: dict[str, list[MessageEntry]] = {}
    for entry in entries:
        title = "unreadable tasks"
        if entry.run:
            title = f"study {entry.study}, run {entry.run[:8]}, plan {entry.plan[:12]}"
        found.setdefault(title, []).append(entry)
    return found


def totals_of(entries: Sequence[MessageEntry]) -> Totals:
    """Add up lines."""
    released = [entry for entry in entries if entry.is_released]
    return Totals(
        messages=len(entries),
        released=len(released),
        refused=len(entries) - len(released),
        bytes=sum(entry.n_bytes for entry in entries),
        rounds=len({(entry.run, entry.round) for entry in released if entry.round}),
        receivers=sorted({entry.to for entry in entries}),
    )


def rows_of(entries: Sequence[MessageEntry]) -> list[list[str]]:
    """Give table rows as HEADER names them, and their total."""
    rows = [
        [
            _clock(entry),
            entry.kind,
            str(entry.round),
            _what(entry),
            _kb(entry.n_bytes),
            f"{entry.norm:.3g}",
            entry.to,
            entry.decision,
        ]
        for entry in entries
    ]
    totals = totals_of(entries)
    decided = f"{totals.released} released, {totals.refused} refused or failed"
    messages = f"{totals.messages} messages"
    return [
        *rows,
        ["total", "", "", messages, _kb(totals.bytes), "", ", ".join(totals.receivers), decided],
    ]


def show(folder: Path, run: str, screen: Shows) -> None:
    """Print a table per run."""
    broken = ledger.first_broken_line(StateFolder.of(folder).ledger)
    if broken is not None:
        screen.say(f"SOMEBODY CHANGED THE LEDGER: line {broken.line}: {broken.what}")
    entries = read_ledger(folder, run)
    for title, lines in runs_of(entries).items():
        screen.table(HEADER, rows_of(lines), title=title)
    screen.say(in_a_sentence(totals_of(entries)))


def in_a_sentence(totals: Totals) -> str:
    """Say what left, for a security officer."""
    if not totals.messages:
        return "Nothing has left this hospital."
    return (
        f"{totals.messages} messages left, total {totals.bytes / 1e6:,.2f} MB, to "
        f"{', '.join(totals.receivers)}: {totals.released} with updates or counts, over "
        f"{totals.rounds} rounds, and {totals.refused} that hold only a code."
    )


def export(folder: Path, out: Path) -> int:
    """Write the ledger as CSV, without texts of incidents; return the number of lines."""
    entries = read_ledger(folder)
    out.write_text(as_csv(entries), encoding="utf-8")
    return len(entries)


def as_csv(entries: Sequence[MessageEntry]) -> str:
    """Give lines of the ledger as CSV."""
    rows = [[*map(_cell, entry.cells(), COLUMNS)] for entry in entries]
    return csv_text([COLUMNS, *rows])


def _cell(value: object, name: str) -> str:
    if name == "time":
        return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(float(str(value))))
    if name in ("policy", "privacy") and isinstance(value, dict):
        return "; ".join(f"{key}: {one}" for key, one in value.items())
    if isinstance(value, dict):
        return "; ".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


def _clock(entry: MessageEntry) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(entry.time))


def _kb(n_bytes: int) -> str:
    return f"{n_bytes / 1e3:,.1f}"


def _what(entry: MessageEntry) -> str:
    if not entry.is_released:
        return "a code"
    update = f"an update of {entry.n_arrays} tensors, " if entry.n_arrays else ""
    return f"{update}{len(entry.numbers)} numbers or lists of counts"
