"""The privacy ledger, `state/privacy.jsonl`: one file for all studies of the hospital.

It is chained as the ledger of messages is, and cannot be set back unnoticed: `privacy.head` beside
the hospital's keys has its last line, each receipt in the ledger of messages names it, and the
coordinator signs what it heard of that ledger. Where one of them knows a line that the file lacks,
nothing is answered.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medfl_client.config.folder import SiteFolder, StateFolder, home_of
from medfl_client.config.studies import states_of
from medfl_client.egress import ledger, statements
from medfl_client.egress.account import Account
from medfl_client.egress.ledger import Head
from medfl_common.errors import RunError
from medfl_common.files import Json, alone, write_atomic

UNREAD = "no data was read"


@contextmanager
def opened(state: Path) -> Iterator[Account]:
    """Give the account while no other process or study reads or changes it.

    Raises RunError (E600) where the file is not whole, or older than what is known of it.
    """
    folder = StateFolder(state).privacy.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(folder):
        yield read(state)


def read(state: Path) -> Account:
    """Read the account; raises RunError where the file is not to be trusted."""
    why = why_not_whole(state)
    if why:
        path = StateFolder(state).privacy
        raise RunError(
            f"{path}: {why}. Nothing is answered with noise",
            todo=f"put back the newest copy of {path.name} and its .head. A lost line is a cost "
            "that is forgotten: without it this hospital takes part in no study with noise",
            data=UNREAD,
        )
    return Account.of(ledger.read_lines(StateFolder(state).privacy))


def why_not_whole(state: Path) -> str:
    """Say what contradicts the file; empty: nothing does."""
    path = StateFolder(state).privacy
    broken = ledger.first_broken_line(path)
    if broken is not None:
        return f"line {broken.line}: {broken.what}"
    hashes = [str(line["hash"]) for line in ledger.read_lines(path)]
    for head, who in _known(state):
        if head.n_lines > len(hashes):
            return f"line {head.n_lines} is missing, which {who} names: an older copy was put back"
        if head.n_lines and hashes[head.n_lines - 1] != head.hash:
            return f"line {head.n_lines} is another than {who} names: a copy of the folder ran too"
    return _why_contradicted(state)


def check_statements(state: Path) -> None:
    """Raise RunError where the coordinator has signed a line that the ledger of messages lacks."""
    if why := _why_contradicted(state):
        raise RunError(
            f"{why}. Nothing is answered with noise or in secure sums",
            todo=f"put back the newest copy of the folder; see medfl-client audit verify "
            f"{state.parent}",
            data=UNREAD,
        )


def append(state: Path, account: Account, facts: Mapping[str, Json]) -> None:
    """Add a line to the file, on the disk, and to the account; then note its hash by the keys."""
    path = StateFolder(state).privacy
    ledger.append(path, facts)
    line: dict[str, Any] = next(ledger.newest_first(path))
    account.take(line)
    noted = json.dumps({"lines": line["line"], "hash": line["hash"]})
    write_atomic(_copy(state), noted.encode())


def last(state: Path) -> dict[str, Json]:
    """Name the newest line, for a receipt; empty: there is none."""
    head = ledger.last(StateFolder(state).privacy)
    return {"privacy": {"line": head.n_lines, "hash": head.hash}} if head.n_lines else {}


def has_receipt(state: Path) -> bool:
    """Say whether a message left this study that named a line of the privacy ledger."""
    return _receipt(state) is not None


def _known(state: Path) -> Iterator[tuple[Head, str]]:
    """Give the lines that others know of: the copy by the keys, and the receipts of each study."""
    copy = _copy(state)
    if copy.exists():
        yield _head_of(copy.read_text(), copy), f"{copy.name} beside the keys"
    for one in states_of(state):
        found = _receipt(one)
        if found is not None:
            yield found, "a receipt in the ledger of messages"


def _copy(state: Path) -> Path:
    return SiteFolder(home_of(state.parent)).privacy_head


def _head_of(text: str, path: Path) -> Head:
    try:
        facts = json.loads(text)
        return Head(int(facts["lines"]), str(facts["hash"]))
    except (ValueError, KeyError, TypeError):
        raise RunError(
            f"{path} is damaged. Nothing is answered with noise",
            todo="put it back from a copy",
            data=UNREAD,
        ) from None


def _receipt(state: Path) -> Head | None:
    for line in ledger.newest_first(StateFolder(state).ledger):
        named: Any = line.get("privacy")
        if named:
            return Head(int(named["line"]), str(named["hash"]))
    return None


def _why_contradicted(state: Path) -> str:
    _, missing = statements.read(state)
    return statements.lacks(missing[0]) if missing else ""
