"""Keep a SuperNode running: restart it when it ends, hangs or loses a message."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from medfl_client.connection.coordinator import Route, look, trust
from medfl_common.errors import system_reason

LOOK_S = 0.2  # between looks at the SuperNode
PAUSE_S = 1.0  # before a restart of the SuperNode
JOIN_S = 30.0  # the supervisor restarts a SuperNode that is not connected by then
LEAVE_S = 5.0  # for a SuperNode to say goodbye
REFUSED_PAUSE_S = 5.0  # before the next try with a key that is not enrolled
LOG_BYTES = 10_000_000  # of the SuperNode's log; a start puts a larger file aside

# What the SuperNode prints, and what it means for us.
CONNECTED = b"SuperNode ID:"
NOT_ENROLLED = re.compile(rb"code: 2004|code: 2001")
RETRYING = b"Connection attempt failed"  # it waits up to 20 s before it tries again
# It drops such a message for good and stays connected, so the coordinator would wait in vain.
LOST_MESSAGE = re.compile(rb"Failed to (send|receive) message|Failed to create task")

Tell = Callable[[str], None]


class SuperNode:
    """Supervise Flower's SuperNode: restart it whenever it ends, until closed.

    Args:
        route: The coordinator and the keys.
        port: Loopback port on which the executor finds it.
        secret_file: Holds the secret that the executor must know.
        log: Takes what the SuperNode prints.
        tell: Takes a line for the eyes of the site.
    """

    def __init__(self, route: Route, port: int, secret_file: Path, log: Path, tell: Tell) -> None:
        self._route = route
        self._context = trust(route)
        self._command = _command(route, port, secret_file)
        self._log = log
        self._tell = tell
        self._told = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supernode", daemon=True)

    def start(self) -> None:
        """Begin to supervise."""
        self._thread.start()

    def close(self) -> None:
        """End the child and stop supervising."""
        self._closed.set()
        self._thread.join()

    def _supervise(self) -> None:
        while not self._closed.is_set():
            trouble = look(self._route, self._context)
            if trouble is not None:
                self._tell_once(f"{trouble}; trying again until it works")
                self._closed.wait(PAUSE_S)
                continue
            try:
                pause = self._run_child()
            except OSError as error:
                self._tell_once(
                    f"the SuperNode did not start ({system_reason(error)}); trying again"
                )
                pause = PAUSE_S
            self._closed.wait(pause)

    def _run_child(self) -> float:
        """Run the SuperNode until it ends or is useless; return the pause before the next start."""
        put_aside(self._log)
        with self._log.open("ab") as log, self._log.open("rb") as printed:
            printed.seek(log.tell())
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(os.environ),  # a copy: another thread's imports may change it meanwhile
            )
            try:
                return self._watch(child, printed)
            finally:
                self._end(child)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """End the child: with a word to the coordinator where the site stops, else at once.

        It holds nothing that is lost with it: the coordinator asks again for a reply.
        """
        if self._closed.is_set():
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(LEAVE_S)
        child.kill()
        child.wait()

    def _watch(self, child: subprocess.Popen[bytes], printed: BinaryIO) -> float:
        """Follow what the child prints; return the pause before a restart that it needs."""
        started, is_connected, was_away, text = time.monotonic(), False, False, b""
        while not self._closed.wait(LOOK_S):
            has_ended = child.poll() is not None  # before the last of its text is read
            news = printed.read()
            text = text[-200:] + news
            if CONNECTED in text and not is_connected:
                is_connected = True
                self._tell_once("connected to the coordinator; waiting for tasks")
            if NOT_ENROLLED.search(text):
                self._tell_once(
                    "the coordinator does not know this site's keys (yet, or no more). Send it "
                    f"these lines, for `medfl-server enrol`:\n  {self._route.enrolment_lines}"
                )
                return REFUSED_PAUSE_S
            if LOST_MESSAGE.search(text):
                self._tell_once("the connection lost a message; connecting again to send it again")
                return 0.0
            if RETRYING in news or was_away:
                trouble = look(self._route, self._context)
                if trouble is None and was_away:  # it was started again, and knows no old session
                    return 0.0
                if trouble is not None:
                    was_away = True
                    self._tell_once(f"{trouble}; trying again until it works")
                    self._closed.wait(PAUSE_S)
            if has_ended or (not is_connected and time.monotonic() - started > JOIN_S):
                self._tell_once("the connection to the coordinator ended; connecting again")
                return PAUSE_S
        return 0.0

    def _tell_once(self, line: str) -> None:
        """Report it if it is news: nobody needs the same line every second."""
        if line != self._told:
            self._told = line
            self._tell(line)


def put_aside(log: Path) -> None:
    """Rename a log that has grown large, over the one put aside before."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def _command(route: Route, port: int, secret_file: Path) -> list[str]:
    return [
        sys.executable,
        "-P",  # never import from the current directory
        "-m",
        "medfl_client.connection.supernode",
        "--superlink",
        route.address,
        "--root-certificates",
        str(route.ca),
        "--auth-supernode-private-key",
        str(route.key),
        "--port",
        str(port),
        "--isolation",
        "process",
        "--superexec-auth-secret-file",
        str(secret_file),
    ]
