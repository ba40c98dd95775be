"""What the coordinator has signed of this site's ledger, held against the ledger itself.

The newest statement is kept, and each that the ledger contradicted: lines that were cut off do not
come back with a newer statement.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flwr.app import RecordDict

from medfl_client.config.folder import StateFolder
from medfl_client.connection.study_key import pinned_keys
from medfl_client.egress import ledger
from medfl_common.errors import RunError
from medfl_common.files import write_atomic
from medfl_common.wire.ledger_statement import Statement, statement_in
from medfl_common.wire.study_key import foreign

MOST = 20  # statements of missing lines, the first of them


def receive(state: Path, content: RecordDict, own: str) -> str | None:
    """Keep the statement of a task; give a line to tell if the ledger lacks what it states.

    Args:
        state: The site's state.
        content: The task, which is the coordinator's.
        own: Fingerprint of the site's keys; another site's statement is refused.
    """
    told = statement_in(content)
    if told is None:
        return None
    if told.to != own or not any(told.is_signed(key) for key in pinned_keys(state)):
        raise foreign("the coordinator's statement of this site's ledger was changed on the way")
    newest, missing = read(state)
    if newest is not None and (newest.last == told.last or told.time < newest.time):
        return None
    if is_in_ledger(state, told):
        _write(state, told, missing)
        return None
    if len(missing) == MOST or told.last in [one.last for one in missing]:
        return None
    _write(state, newest, [*missing, told])
    return f"{lacks(told)}; see medfl-client audit verify"


def is_in_ledger(state: Path, told: Statement) -> bool:
    """Look for the stated line, from the end."""
    for line in ledger.newest_first(StateFolder(state).ledger):
        if int(str(line["line"])) <= told.line:
            return (line["line"], line["hash"]) == (told.line, told.hash)
    return False


def lacks(told: Statement) -> str:
    """Say that a line is missing which the coordinator has heard of."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(told.time))
    return (
        f"the ledger here lacks its line {told.line} (hash {told.hash[:12]}), which the "
        f"coordinator heard of on {when}: lines were cut off, or an older copy of the folder was "
        "put back"
    )


def read(state: Path) -> tuple[Statement | None, list[Statement]]:
    """Read the newest statement that the ledger fits, and those that it does not."""
    path = StateFolder(state).statements
    if not path.exists():
        return None, []
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        newest, missing = facts["newest"], facts["missing"]
        return Statement(**newest) if newest else None, [Statement(**one) for one in missing]
    except (ValueError, KeyError, TypeError):
        raise RunError(
            f"{path} is damaged",
            todo="put it back from a copy, or aside as evidence; the next task brings a new one",
        ) from None


def _write(state: Path, newest: Statement | None, missing: Sequence[Statement]) -> None:
    facts = {
        "newest": asdict(newest) if newest else None,
        "missing": [asdict(one) for one in missing],
    }
    write_atomic(StateFolder(state).statements, json.dumps(facts, indent=1).encode())
