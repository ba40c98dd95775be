"""Errors of the hospital's records name the command that looks them over."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medfl_client.egress import ledger
from medfl_common.errors import RunError


@pytest.mark.parametrize(
    "work", [ledger.read_lines, ledger.last, lambda path: ledger.append(path, {})]
)
def test_a_damaged_ledger_names_audit_verify(tmp_path: Path, work: Callable[[Path], None]) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger.append(path, {"round": 1})
    path.write_bytes(path.read_bytes() + b"?\n")

    with pytest.raises(RunError) as told:
        work(path)

    assert "medfl-client audit verify" in told.value.todo
