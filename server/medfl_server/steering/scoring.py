"""A finished study's model is scored once more, by a process of its own that outlives a console."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from medfl_common.errors import ConfigError, RunError, system_reason
from medfl_common.files import holder
from medfl_common.run.folder import RunFolder
from medfl_server.roster.enrolment import read_roster
from medfl_server.study.coordinator import is_coordinator
from medfl_server.study.run_directory import check_finished, open_study

LOOK_S = 0.1
START_S = 60.0  # for the process to listen: it imports what it needs first, and reads the model
LAST = 2000  # bytes of what it said that a person is shown


def check_sites(folder: Path, sites: Sequence[str]) -> None:
    """Raise ConfigError where one of the hospitals is not enrolled."""
    if unknown := sorted(set(sites) - read_roster(folder).keys()):
        raise ConfigError(
            f"{', '.join(unknown)} is not enrolled", todo="see medfl-server roster for the names"
        )


def score(
    folder: Path, model: str = "", sites: Sequence[str] = (), port: int = 8443,
    bind: str = "0.0.0.0",  # noqa: S104
) -> list[str]:  # fmt: skip
    """Start `medfl-server score` apart from this process, once it is known that it can begin.

    Gives the lines to show. Raises RunError where something else works on the study or has its
    port, and with what the process said where it fails at once.
    """
    check_finished(open_study(folder))
    check_sites(folder, sites)
    above = folder.resolve().parent
    for place in (folder, *([above] if is_coordinator(above) else [])):
        if other := holder(place):
            raise RunError(
                f"{place} is in use by process {other}, and a scoring needs its port",
                todo="wait until that one has ended",
                data="nothing was changed",
            )
    _check_port(bind, port)
    words = ["--model", model] if model else []
    words += ["--sites", ",".join(sites)] if sites else []
    process = _start(folder, ["score", *words, "--port", str(port), "--bind", bind])
    _wait_until_it_listens(process, folder, bind, port)
    whom = ", ".join(sites) if sites else "every hospital"
    return [
        f"process {process.pid} has the model scored at {whom}, and waits for the plan's deadline",
        f"what it says is in {RunFolder(folder).process_log}; then report and card are anew",
    ]


def _check_port(bind: str, port: int) -> None:
    """Raise RunError where something else listens."""
    try:
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        socket.create_server((bind, port), family=family).close()
    except OSError as error:
        raise RunError(
            f"port {port} of this machine is taken, or cannot be: {system_reason(error)}",
            todo="wait until `run` has ended, or name another port that hospitals reach",
            data="nothing was changed",
        ) from None


def _start(folder: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command on a study, apart from this process."""
    command, *rest = words
    with RunFolder(folder).process_log.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        process = subprocess.Popen(
            # -P: a folder of the current directory is never imported.
            [sys.executable, "-P", "-c", "from medfl_server.cli import main; main()", command,
             str(folder.resolve()), *rest],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    threading.Thread(target=process.wait, name=command, daemon=True).start()  # no zombie
    return process


def _wait_until_it_listens(
    process: subprocess.Popen[bytes], folder: Path, bind: str, port: int
) -> None:
    """Wait until hospitals can connect; RunError with what it said where it ends before."""
    ends, here = time.monotonic() + START_S, "127.0.0.1" if bind == "0.0.0.0" else bind  # noqa: S104
    while time.monotonic() < ends and process.poll() is None:
        with suppress(OSError), socket.create_connection((here, port), LOOK_S):
            return
        time.sleep(LOOK_S)
    if process.poll():
        said = RunFolder(folder).process_log.read_bytes()[-LAST:].decode("utf-8", "replace")
        raise RunError(f"the scoring did not begin: {said.strip() or 'it said nothing'}")
