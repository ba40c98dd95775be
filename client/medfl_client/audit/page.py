"""`audit.html`: what left the hospital, for its security officer. It never leaves."""

from pathlib import Path

from medfl_client.audit.records import (
    HEADER,
    in_a_sentence,
    read_ledger,
    rows_of,
    runs_of,
    totals_of,
)
from medfl_client.config.folder import SiteFolder, StateFolder
from medfl_client.config.site_file import RULES, Policy, load_site_file
from medfl_client.egress import ledger
from medfl_client.egress.approvals import read_records
from medfl_common import __version__
from medfl_common.errors import RunError
from medfl_common.files import write_private
from medfl_common.ui.page import Section, Table, render

QUESTION = "What left this hospital?"


def write_audit(folder: Path, path: Path) -> None:
    """Write the page, for its owner alone; raises RunError if the ledger is illegible."""
    site, state = load_site_file(folder), SiteFolder(folder).state
    entries = read_ledger(folder)
    broken = ledger.first_broken_line(StateFolder(state).ledger)
    whole = "The ledger is whole." if broken is None else "SOMEBODY CHANGED THE LEDGER, see below."
    sections = [_messages(folder), _chain(state), _policy(site.policy), _approvals(state)]
    page = render(
        f"medfl audit of {site.site}",
        QUESTION,
        f"{in_a_sentence(totals_of(entries))} {whole}",
        sections,
        __version__,
    )
    write_private(path, page.encode())


def _messages(folder: Path) -> Section:
    tables = [
        Table(HEADER, rows_of(lines), title, total="total", is_text=True)
        for title, lines in runs_of(read_ledger(folder)).items()
    ]
    return Section(
        "Every message",
        [
            "medfl wrote each line to disk before its message left. No message holds an image, "
            "header, name or path: the guard passes only listed numbers and one array of weights."
        ],
        tables=tables,
    )


def _chain(state: Path) -> Section:
    rows = []
    for path in (StateFolder(state).ledger, StateFolder(state).approvals):
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


def _policy(policy: Policy) -> Section:
    values = policy.model_dump()
    rows = [[rule, name, str(values[name]), words] for name, (rule, words) in RULES.items()]
    header = ["rule", "setting", "now", "meaning"]
    return Section("The policy in force", tables=[Table(header, rows, is_text=True)])


def _approvals(state: Path) -> Section:
    header = ["when", "what", "study", "plan", "by"]
    try:
        records = read_records(state)
    except RunError as error:
        return Section("Who approved what", [str(error)])
    rows = [[r.day, r.action, r.study, r.plan[:12], r.by] for r in records]
    texts = [] if rows else ["This site has approved no plan."]
    return Section("Who approved what", texts, tables=[Table(header, rows, is_text=True)])
