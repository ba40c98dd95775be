"""The record of actions: a line before each, and one with what became of it; chained."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from medfl_common import chain
from medfl_common.chain import Line
from medfl_common.console.doors import Visitor
from medfl_common.console.offered import Note
from medfl_common.files import Json

OF_RESULT = ("action", "reason", "result", "said")  # the other facts say what it was done to
ASKED, DONE, REFUSED, UNKNOWN = "asked", "done", "refused", "unknown"  # results


def note_in(path: Path) -> Note:
    """Give what writes a record's lines; raises RunError where somebody touched its end."""

    def note(visitor: Visitor, what: str, facts: Mapping[str, Json]) -> None:
        write(path, visitor, what, facts)

    return note


def write(path: Path, visitor: Visitor, what: str, facts: Mapping[str, Json]) -> None:
    """Write one line: who, as what, signed in how, from where, did what to what, and the result."""
    of: dict[str, Json] = {name: facts[name] for name in facts if name not in OF_RESULT}
    line: Line = {
        "who": visitor.who, "role": visitor.role, "how": visitor.how, "address": visitor.address,
        "what": what, "of": of, **{name: facts[name] for name in OF_RESULT if name in facts},
    }  # fmt: skip
    path.touch(0o600)  # it names people; one that is there stays as it is
    chain.append(path, line)


def newest_actions(path: Path) -> Iterator[Line]:
    """Give one line an action, the newest first: its result, or that it was asked for."""
    ended = set()
    for line in chain.newest_first(path):
        action = str(line.get("action", ""))
        if line.get("result") == ASKED and action in ended:
            continue
        ended.add(action)
        yield line
