"""`audit.html`: what left the hospital, for its security officer. It never leaves."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from medfl_client.audit.records import (
    HEADER,
    in_a_sentence,
    read_ledger,
    rows_of,
    runs_of,
    totals_of,
)
from medfl_client.audit.spending import spending
from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.rules import RULES
from medfl_client.config.site_file import Policy, load_site_file
from medfl_client.egress import ledger
from medfl_client.egress.approvals import GROUP, read_records
from medfl_client.egress.message_entry import MessageEntry
from medfl_common import __version__
from medfl_common.errors import RunError
from medfl_common.files import write_private
from medfl_common.ui.page import Section, Table, render

QUESTION = "What left this hospital?"
ACTIONS = {GROUP: "approve the hospitals of its sums"}
MOST_POLICIES = 5  # beside the one in force
NOT_KEPT = "An earlier version of medfl wrote {lines} and did not keep the policy that held."


def write_audit(folder: Path, path: Path) -> None:
    """Write the page, for its owner alone; raises RunError if the ledger is illegible."""
    site, state = load_site_file(folder), SiteFolder(folder).state
    entries = read_ledger(folder)
    broken = ledger.first_broken_line(StateFolder(state).ledger)
    whole = "The ledger is whole." if broken is None else "SOMEBODY CHANGED THE LEDGER, see below."
    sections = [
        _messages(entries),
        _chain(state),
        _policies(entries, site.policy),
        _approvals(state),
        *spending(state),
    ]
    page = render(
        f"medfl audit of {site.site}",
        QUESTION,
        f"{in_a_sentence(totals_of(entries))} {whole}",
        sections,
        __version__,
    )
    write_private(path, page.encode())


def _messages(entries: Sequence[MessageEntry]) -> Section:
    names = _number_lists(entries)
    tables = []
    for title, lines in runs_of(entries).items():
        *each, total = rows_of(lines)
        rows = [
            [row[0], str(entry.line), *row[1:3], _what(entry, names), *row[4:]]
            for entry, row in zip(lines, each, strict=True)
        ]
        rows.append(["total", "", *total[1:]])
        header = [HEADER[0], "line", *HEADER[1:]]
        tables.append(Table(header, rows, title, total="total", is_text=True))
    rows = [[f"list {place}", ", ".join(one)] for one, place in names.items()]
    header = ["numbers", "names of the numbers and lists of counts"]
    tables.append(Table(header, rows, is_text=True))
    rows = [[f"line {entry.line}", entry.sha256] for entry in entries]
    tables.append(Table(["message", "SHA-256"], rows, is_text=True))
    texts = [
        "medfl wrote each line to disk before its message left. No message holds an image, "
        "header, name or path: the guard passes only listed numbers and one array, of weights or, "
        "in a secure sum, of masked numbers, keys or shares.",
        "The coordinator's log.jsonl holds the same SHA-256 for each reply that it took: compare "
        "them. The time is this machine's, with its distance from UTC.",
    ]
    return Section("Every message", texts, tables=tables if entries else [])


def _what(entry: MessageEntry, names: Mapping[tuple[str, ...], str]) -> str:
    update = f"an update of {entry.n_arrays} tensors, " if entry.n_arrays else ""
    code = "" if entry.is_released else "a code, in "
    return f"{update}{code}the numbers of list {names[entry.numbers]}"


def _number_lists(entries: Sequence[MessageEntry]) -> dict[tuple[str, ...], str]:
    """Give each list of names a number, in the order of the ledger."""
    found = dict.fromkeys(entry.numbers for entry in entries)
    return {names: str(place) for place, names in enumerate(found, start=1)}


def _chain(state: Path) -> Section:
    rows = []
    files = StateFolder(state)
    chained = (files.ledger, files.approvals, files.questions, files.privacy, files.self_tests)
    for path in chained:
        broken, head = ledger.first_broken_line(path), ledger.last(path)
        verdict = "whole" if broken is None else f"line {broken.line}: {broken.what}"
        rows.append([path.name, str(head.n_lines), verdict, head.hash])
    return Section(
        "Can the records be trusted?",
        [
            "Each line holds the hash of the line before, so an edit, a missing or a moved line "
            "shows. Rewriting a whole file changes its last hash: note that hash elsewhere."
        ],
        tables=[Table(["record", "lines", "state", "last hash"], rows, is_text=True)],
    )


def _policies(entries: Sequence[MessageEntry], now: Policy) -> Section:
    """Lay out the policy that held for each message beside the one in force."""
    spans = _spans(entries)
    texts = [NOT_KEPT.format(lines=lines) for policy, lines in spans if policy is None]
    shown = [(policy, lines) for policy, lines in spans if policy is not None][-MOST_POLICIES:]
    values = now.model_dump(mode="json")
    if shown and shown[-1][0] != values:
        texts.append("Somebody changed the policy after the last message.")
    rows = [
        [rule, name, *(_value(p.get(name, "")) for p, _ in shown), _value(values[name]), words]
        for name, (rule, words) in RULES.items()
    ]
    header = ["rule", "setting", *(lines for _, lines in shown), "now", "meaning"]
    title = "The policy that held for each message"
    return Section(title, texts, tables=[Table(header, rows, is_text=True)])


def _value(setting: object) -> str:
    """Write a setting, or a group of them, for people."""
    if isinstance(setting, dict):
        return ", ".join(f"{name} {value:g}" for name, value in setting.items())
    return str(setting)


def _spans(entries: Sequence[MessageEntry]) -> list[tuple[dict[str, Any] | None, str]]:
    """Join neighbouring lines of one policy: (policy, which lines)."""
    spans: list[tuple[dict[str, Any] | None, str]] = []
    for policy, lines in groupby(entries, key=lambda entry: entry.policy):
        numbers = [entry.line for entry in lines]
        first, last = numbers[0], numbers[-1]
        spans.append((policy, f"line {first}" if first == last else f"lines {first} to {last}"))
    return spans


def _approvals(state: Path) -> Section:
    header = ["when", "what", "study", "plan", "by"]
    try:
        records = read_records(state, with_groups=True)
    except RunError as error:
        return Section("Who approved what", [str(error)])
    rows = [[r.day, ACTIONS.get(r.action, r.action), r.study, r.plan[:12], r.by] for r in records]
    texts = [] if rows else ["This site has approved no plan."]
    return Section("Who approved what", texts, tables=[Table(header, rows, is_text=True)])
