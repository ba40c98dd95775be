"""The client that runs on a hospital's directory: start it, end it, have it connect anew.

`state/lock` says which process it is. A client that the console starts belongs to nobody's
terminal: it goes on when the console ends.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from medfl_client.config.folder import StateFolder
from medfl_client.config.studies import CUT
from medfl_common.errors import RunError
from medfl_common.files import holder

STOP_S = 10.0  # for a running client to end by itself
LOOK_S = 0.05  # between looks whether it has
START_S = 60.0  # for a client to take the lock: it imports what it needs first
KEPT_LOG = 1_000_000  # bytes of the log; a start puts a larger one aside
LAST = 4000  # bytes of the log that a person is shown

Tell = Callable[[str], None]


def start_client(folder: Path) -> int:
    """Start `medfl-client run` apart from this process; give its id once it holds the lock.

    Raises RunError where one runs here already, or where it ends at once.
    """
    files = StateFolder.of(folder)
    if holder(files.path):
        raise RunError(f"a client runs here already, process {holder(files.path)}")
    files.path.mkdir(exist_ok=True, mode=0o700)
    log = files.client_log
    if log.exists() and log.stat().st_size > KEPT_LOG:
        log.replace(log.with_name(log.name + ".1"))
    with log.open("ab") as file:
        os.fchmod(file.fileno(), 0o600)
        before = file.tell()
        process = subprocess.Popen(
            # -P: a folder of the current directory is never imported.
            [sys.executable, "-P", "-c", "from medfl_client.cli import main; main()", "run",
             str(folder.resolve())],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    ends = time.monotonic() + START_S
    while holder(files.path) != str(process.pid):
        if process.poll() is not None or time.monotonic() > ends:
            raise RunError(
                f"the client did not start: {log_end(folder, before) or 'it said nothing'}",
                todo="put that right, then start it again",
            )
        time.sleep(LOOK_S)
    return process.pid


def log_end(folder: Path, since: int = 0) -> str:
    """Give the end of what the client said; empty: nothing."""
    log = StateFolder.of(folder).client_log
    if not log.exists():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        place = max(since, size - LAST)
        file.seek(place)
        text = file.read().decode("utf-8", "replace")
    return (text if place == since else text.partition("\n")[2]).strip()


def cut_connection(state: Path, tell: Tell) -> None:
    """Have the client that holds `state/lock` connect anew; the guard releases nothing more."""
    if not holder(state):
        return
    process = _holder(state)
    with suppress(ProcessLookupError):
        _signal(process, CUT)
    tell(f"the client that runs here, process {process}, goes on for the other studies")


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except PermissionError:
        raise RunError(
            f"process {process} belongs to another user", todo="stop it by hand"
        ) from None


def stop_client(state: Path, tell: Tell) -> None:
    """End the client that holds `state/lock`: ask, wait, then kill."""
    if not holder(state):
        return
    process = _holder(state)
    tell(f"stopping the client that runs here, process {process}")
    with suppress(ProcessLookupError):  # it has ended by itself
        _signal(process, signal.SIGTERM)
        if not _is_free_within(state, STOP_S):
            _signal(process, signal.SIGKILL)
    if not _is_free_within(state, STOP_S):
        raise RunError(f"process {process} does not end", todo="stop it by hand")
    tell("it has ended")


def _holder(state: Path) -> int:
    """Read who holds the lock; twice, because a client that starts writes its id after locking."""
    for _ in range(10):
        first = holder(state)
        time.sleep(LOOK_S)
        if first.isdigit() and first == holder(state):
            return int(first)
    raise RunError(
        f"{StateFolder(state).lock} is locked, and does not name the process",
        todo="stop the client by hand",
    )


def _is_free_within(state: Path, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while holder(state):
        if time.monotonic() > ends:
            return False
        time.sleep(LOOK_S)
    return True
