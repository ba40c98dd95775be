"""What left the hospital, from its ledger, as tables for a page."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfl_client.audit.records import in_a_sentence, read_ledger, runs_of, totals_of
from medfl_client.console.hospital import Stamp, Study, mark
from medfl_client.egress import ledger
from medfl_client.egress.approvals import GROUP, read_records
from medfl_client.egress.message_entry import MessageEntry
from medfl_common.chain import START, Head
from medfl_common.errors import MedflError

LOOK_S, CHECK_S = 10.0, 60.0  # between two looks at the ledger, and at the chains of a study
MOST_ROUNDS = 60  # of a run, the newest; the CSV has all
HEADER = ("round", "what was asked", "messages", "kB", "what left", "when")


@dataclass(frozen=True)
class Left:
    """What left, and whether the records can be trusted."""

    sentence: str
    is_whole: bool
    runs: list[dict[str, Any]]  # title, rows, n_more
    chain: list[list[str]]
    approvals: list[list[str]]


class Chains:
    """The chains of the records: held against themselves at most once a minute, or when asked."""

    def __init__(self) -> None:
        self._held: dict[Path, tuple[Stamp, float, tuple[list[list[str]], bool]]] = {}

    def is_due(self, study: Study) -> bool:
        """Say whether they have changed, and are to be looked at again."""
        held = self._held.get(study.folder)
        if held is None:
            return True
        return held[0] != _stamp(study) and time.monotonic() - held[1] >= CHECK_S

    def of(self, study: Study) -> tuple[list[list[str]], bool]:
        """Give a row for each record, and whether all are whole, as they were at the last look."""
        held = self._held.get(study.folder)
        if held is None or self.is_due(study):
            held = _stamp(study), time.monotonic(), _chain(study)
            self._held[study.folder] = held
        return held[2]

    def forget(self, study: Study) -> None:
        """Have them looked at again."""
        self._held.pop(study.folder, None)


def left(study: Study, chains: Chains) -> Left:
    """Read the records; raises RunError where the ledger cannot be read."""
    entries = read_ledger(study.folder)
    chain, is_whole = chains.of(study)
    runs = [
        {"title": title, "rows": rows[-MOST_ROUNDS:][::-1], "n_more": len(rows) - MOST_ROUNDS}
        for title, lines in runs_of(entries).items()
        for rows in [_by_round(lines)]
    ]
    return Left(in_a_sentence(totals_of(entries)), is_whole, runs[::-1], chain, _approvals(study))


def _by_round(lines: list[MessageEntry]) -> list[list[str]]:
    """Add up the messages of each round and kind."""
    groups: dict[tuple[int, str], list[MessageEntry]] = {}
    for entry in lines:
        groups.setdefault((entry.round, entry.kind), []).append(entry)
    return [_row(number, kind, own) for (number, kind), own in groups.items()]


def _row(number: int, kind: str, own: list[MessageEntry]) -> list[str]:
    refused = sorted({one.decision for one in own if not one.is_released})
    arrays = max(one.n_arrays for one in own)
    what = [f"an update of {arrays} tensors"] if arrays else []
    numbers = max(len(one.numbers) for one in own if one.is_released) if any(
        one.is_released for one in own
    ) else 0  # fmt: skip
    what += [f"{numbers} numbers or lists of counts"] if numbers else []
    what += [f"a code ({one})" for one in refused]
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(own[-1].time))
    n_bytes = sum(one.n_bytes for one in own)
    return [str(number), kind, str(len(own)), f"{n_bytes / 1e3:,.1f}", ", ".join(what), when]


def _chain(study: Study) -> tuple[list[list[str]], bool]:
    rows, is_whole, now = [], True, time.strftime("%H:%M:%S")
    for path in _records(study):
        broken, head = ledger.first_broken_line(path), Head(0, START)
        if broken is None:
            head = ledger.last(path)
        is_whole &= broken is None
        said = f"whole at {now}" if broken is None else f"line {broken.line}: {broken.what}"
        if head.n_lines or broken is not None:
            rows.append([path.name, str(head.n_lines), said, head.hash])
    return rows, is_whole


def _records(study: Study) -> tuple[Path, ...]:
    state = study.state
    return state.ledger, state.approvals, state.questions, state.privacy, state.self_tests


def _stamp(study: Study) -> Stamp:
    return tuple(map(mark, _records(study)))


def _approvals(study: Study) -> list[list[str]]:
    try:
        found = read_records(study.state.path, with_groups=True)
    except MedflError as error:
        return [["", str(error), "", "", ""]]
    words = {GROUP: "approve the hospitals of its sums"}
    return [
        [one.day, words.get(one.action, one.action), one.study, one.plan[:12], one.by]
        for one in found
    ]
