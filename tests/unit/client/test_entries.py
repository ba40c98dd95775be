"""Lines of the ledger and of the approvals have types; one file each knows their JSON."""

import ast
import json
from pathlib import Path

import pytest

from medfl_client.egress import approvals, ledger
from medfl_client.egress.message_entry import COLUMNS, MessageEntry, message_entries

ROOT = Path(__file__).parents[3]
STATES = sorted(ROOT.glob("tests/golden/site/*/state"))
CHAIN = ("line", "previous", "hash")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.parent.name)
def test_an_earlier_ledger_has_every_fact_in_the_order_of_today(state: Path) -> None:
    lines = ledger.read_lines(state / "ledger.jsonl")

    assert lines
    assert all(
        [*line] == [name for name in COLUMNS if name not in ("cut", "policy", "privacy")]
        for line in lines
    )
    for entry, line in zip(message_entries(state), lines, strict=True):
        assert (entry.round, entry.n_bytes, entry.norm) == (
            line["round"], line["bytes"], line["norm"]
        )  # fmt: skip
        assert entry.outcome == str(line["decision"]).split(":")[0]


@pytest.mark.parametrize("name", ["ledger", "approvals", "incidents"])
def test_an_earlier_file_that_is_written_again_is_the_same_to_the_hash(
    name: str, tmp_path: Path
) -> None:
    for state in STATES:
        path, again = state / f"{name}.jsonl", tmp_path / state.parent.name
        for line in ledger.read_lines(path):
            ledger.append(again, {k: v for k, v in line.items() if k not in CHAIN})

        assert not path.exists() or again.read_bytes() == path.read_bytes()


def test_an_action_of_a_later_version_approves_nothing(tmp_path: Path) -> None:
    facts = {"plan": "a" * 64, "study": "s", "canonical": "", "by": "me", "moon": 1}
    ledger.append(tmp_path / "approvals.jsonl", {**facts, "action": "approve"})
    assert approvals.status_of(tmp_path, "a" * 64) == "approved"

    ledger.append(tmp_path / "approvals.jsonl", {**facts, "action": "eclipse"})

    assert approvals.status_of(tmp_path, "a" * 64) == "not approved"


def test_a_line_of_a_version_without_a_decision_is_judged_by_its_arrays() -> None:
    facts = {"kind": "train", "arrays": {}}

    assert MessageEntry(facts).outcome == "refused"
    assert MessageEntry({**facts, "arrays": {"w": [2]}}).outcome == "released"


def test_no_other_file_of_the_client_reads_a_fact_of_the_ledger() -> None:
    # statements.py and privacy_ledger.py have files of their own, whose words are these too.
    allowed = {"ledger.py", "message_entry.py", "statements.py", "privacy_ledger.py"}
    for path in (ROOT / "client").rglob("*.py"):
        keys = {
            node.slice.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        }
        assert path.name in allowed or not keys & {"decision", "arrays", "bytes", *CHAIN}, path


def test_what_is_written_today_can_be_read_as_json(tmp_path: Path) -> None:
    approvals.write_record(tmp_path, "withdraw", "b" * 64, "s", "")

    (record,) = approvals.read_records(tmp_path)
    line = json.loads((tmp_path / "approvals.jsonl").read_text())

    assert {**vars(record), "line": 1, "previous": "0" * 64, "hash": line["hash"]} == line
