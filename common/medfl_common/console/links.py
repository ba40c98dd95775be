"""Links that `--link` asks a running console for, through a file of this user alone.

The console writes the file when it opens, and removes it when it closes. The command adds the
SHA-256 of a new code; the console takes it out when somebody comes with that code.
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from medfl_common.errors import ConfigError
from medfl_common.files import alone, holder, write_private

LINK_S = 600.0  # a link waits this long for its one use


class Link(NamedTuple):
    """Whom a code lets in."""

    who: str
    role: str
    until: float  # of time.monotonic, which all processes of a machine share


def begin(path: Path, address: str) -> None:
    """Start without links, as the console at this address."""
    with alone(path.parent):
        write_private(path, json.dumps({"address": address, "links": {}}).encode())


def ask(path: Path, who: str, role: str) -> str:
    """Have the running console let one person in once; give the link.

    Raises ConfigError where no console runs.
    """
    code = secrets.token_urlsafe(32)
    if not path.parent.is_dir() or not holder(path.parent):
        raise _not_running(path)
    with _opened(path) as facts:
        if facts is None:
            raise _not_running(path)
        links, now = facts["links"], time.monotonic()
        kept = {d: link for d, link in links.items() if link[2] > now}
        facts["links"] = {**kept, digest(code): [who, role, now + LINK_S]}
    return entrance(str(facts["address"]), code)


def take(path: Path, code: str) -> Link | None:
    """Take a code's link out of the file; None: nobody asked for it."""
    wanted = digest(code)
    with _opened(path) as facts:
        found = None if facts is None else facts["links"].pop(wanted, None)
    if found is None or found[2] < time.monotonic():
        return None
    return Link(str(found[0]), str(found[1]), float("inf"))  # its time was looked at here


def entrance(address: str, code: str) -> str:
    """Give the link of a code; such as https://console.example.org:8420/enter?code=..."""
    return f"{address}/enter?code={code}"


def digest(code: str) -> str:
    """Give what is kept of a code."""
    return hashlib.sha256(code.encode()).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, Any] | None]:
    """Give what the file holds, to be changed; None: it is absent, or not of this user alone."""
    with alone(path.parent):
        before = _read(path)
        facts = json.loads(before) if before else None
        yield facts
        if facts is not None and (after := json.dumps(facts).encode()) != before:
            write_private(path, after)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            is_mine = facts.st_uid == os.geteuid() and not facts.st_mode & 0o077
            return file.read() if is_mine else b""
    except FileNotFoundError:
        return b""


def _not_running(path: Path) -> ConfigError:
    return ConfigError(
        f"no console of this user runs here ({path.parent})", todo="start it without --link first"
    )
