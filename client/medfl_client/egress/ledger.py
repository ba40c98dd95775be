"""The ledger: one line for everything that leaves, durable before it leaves; see chain.

Approvals, questions and incidents are kept the same way.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from medfl_common import chain
from medfl_common.chain import Head, Line, first_broken_line
from medfl_common.errors import RunError
from medfl_common.files import Json

__all__ = [
    "Head", "Line", "append", "damaged", "first_broken_line", "last", "newest_first", "read_lines",
]  # fmt: skip
VERIFY = "run medfl-client audit verify"  # it prints the last hash, to be noted elsewhere


def append(path: Path, entry: Mapping[str, Json]) -> None:
    """Add an entry; return only when it is on the disk. Raises RunError where the end is bad."""
    chain.append(path, entry, VERIFY)


def read_lines(path: Path) -> list[Line]:
    """Read all whole lines; raises RunError where one is not JSON."""
    return chain.read_lines(path, VERIFY)


def newest_first(path: Path) -> Iterator[Line]:
    """Read whole lines from the end, no more of them than are asked for."""
    return chain.newest_first(path, VERIFY)


def last(path: Path) -> Head:
    """Give the number and hash of the last whole line."""
    return chain.last(path, VERIFY)


def damaged(path: Path) -> RunError:
    """Make the error of a file with a line that is not of its form."""
    return RunError(f"{path} is damaged", todo=VERIFY)
