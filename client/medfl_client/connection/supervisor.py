"""Keep a SuperNode running: restart it when it ends, hangs or loses a message."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from medfl_client.connection.coordinator import REDIRECTED, look, trust
from medfl_client.connection.meeting_place import MeetingPlace
from medfl_client.connection.progress import STALLED, WINDOW_S
from medfl_client.connection.way import REDIRECT, Route, for_child
from medfl_common.errors import reason_of
from medfl_common.full import full_disk

LOOK_S = 0.2  # between looks at the SuperNode
PAUSE_S = 1.0  # before a restart of the SuperNode
# The supervisor restarts a SuperNode that is not connected by then; each time it waits twice as
# long, for a slow disk or a busy machine.
JOIN_S, LONGEST_JOIN_S = 300.0, 1800.0
LEAVE_S = 5.0  # for a SuperNode to say goodbye
REFUSED_PAUSE_S = 5.0  # before the next try with a key that is not enrolled
LOG_BYTES = 10_000_000  # of the SuperNode's log; a start puts a larger file aside

# What the SuperNode prints, and what it means for us.
NO_PLACE = b"Runtime HTTP API failed to start"
CONNECTED = b"SuperNode ID:"
NOT_ENROLLED = re.compile(rb"code: 2004|code: 2001")
RETRYING = b"Connection attempt failed"  # it waits up to 20 s before it tries again
# It drops such a message for good and stays connected, so the coordinator would wait in vain.
LOST_MESSAGE = re.compile(rb"Failed to (send|receive) message|Failed to create task")
# It leaves the half of such a message to be worked on, and the rest never comes.
HALF_MESSAGE = b"is not in `RUNNING` status. Ignoring message"

REVOKED = (
    "the coordinator takes this site's keys no more: it has revoked or replaced them, so this "
    "hospital is out of the study and nothing is asked of it. If nobody has said why, telephone. "
    "Revoked keys do not come back; medfl-client new-keys makes others"
)

Tell = Callable[[str], None]
End = tuple[str, float]  # a line for the site, and the pause before the next start


class SuperNode:
    """Supervise Flower's SuperNode: restart it whenever it ends, until closed.

    Args:
        route: The coordinator and the keys.
        place: Where the executor finds it.
        log: Takes what the SuperNode prints.
        tell: Takes a line for the eyes of the site.
    """

    def __init__(self, route: Route, place: MeetingPlace, log: Path, tell: Tell) -> None:
        self._route = route
        trust(route.ca)  # raises where there is no certificate to trust
        self._place = place
        self._command = _command(route, place)
        self._log = log
        self._tell = tell
        self._told = ""
        self._is_resting = False  # the coordinator has said goodbye
        self._was_let_in = False  # with these keys, since this process began
        self._patience_s = JOIN_S
        self._useless = ""  # why a SuperNode that is connected is to be ended
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="supernode", daemon=True)

    def start(self) -> None:
        """Begin to supervise."""
        self._thread.start()

    def close(self) -> None:
        """End the child and stop supervising."""
        self._closed.set()
        self._thread.join()

    def rest(self) -> None:
        """Say nothing until the coordinator is back: it has said goodbye."""
        self._is_resting, self._told = True, ""

    def renew(self, reason: str) -> None:
        """End the connection that there is, if there is one, and connect again."""
        self._useless = reason

    def _supervise(self) -> None:
        while not self._closed.is_set():
            try:
                trouble = self._trouble()
                if trouble is None:
                    pause = self._run_child()
                else:
                    self._tell_once(f"{trouble}; trying again until it works")
                    pause = PAUSE_S
            except Exception as error:  # or nobody would connect again
                full = full_disk(error, str(self._log.parent))
                reason = reason_of(full or error, "something unforeseen happened")
                self._tell_once(f"the SuperNode did not start ({reason}); trying again")
                pause = PAUSE_S
            self._closed.wait(pause)

    def _trouble(self) -> str | None:
        """Look twice before a fault is believed: a coordinator that just starts is late once."""
        if look(self._route) is None:
            return None
        self._closed.wait(PAUSE_S)
        return look(self._route)

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
                pass_fds=[self._place.folder_handle],
            )
            try:
                assert child.stdin is not None
                child.stdin.write(for_child(self._route))
                child.stdin.flush()
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
        child.communicate()

    def _watch(self, child: subprocess.Popen[bytes], printed: BinaryIO) -> float:
        """Follow what the child prints; return the pause before a restart that it needs."""
        seen = _Seen(time.monotonic())
        while not self._closed.wait(LOOK_S):
            has_ended = child.poll() is not None  # before the last of its text is read
            seen.read(printed)
            if CONNECTED in seen.text and not seen.is_connected:
                seen.is_connected, self._useless, self._patience_s = True, "", JOIN_S
                self._is_resting, self._was_let_in = False, True
                self._tell_once("connected to the coordinator; waiting for tasks")
            if STALLED.encode() in seen.news:
                self._tell_once(
                    f"the bytes of a request stopped for {WINDOW_S:.0f} s; it is tried again"
                )
            end = self._why_end(seen) or self._look_again(seen)
            if end is None and has_ended:
                end = self._why_ended(seen.text), PAUSE_S
            if end is not None:
                self._tell_once(end[0])
                return end[1]
        return 0.0

    def _why_end(self, seen: "_Seen") -> End | None:
        """Say why the child is of no use any more, and how long to pause; None: it is."""
        if NOT_ENROLLED.search(seen.text):
            self._is_resting = False
            if self._was_let_in:
                return REVOKED, REFUSED_PAUSE_S
            why = (
                "the coordinator does not know this site's keys (yet, or no more). Send it "
                f"these lines, for `medfl-server enrol`:\n  {self._route.enrolment_lines}\n  "
                "(after medfl-client join there is nothing to send: it runs `medfl-server admit`)"
            )
            return why, REFUSED_PAUSE_S
        if REDIRECT.encode() in seen.text:
            return REDIRECTED.format(address=self._route.address), REFUSED_PAUSE_S
        if LOST_MESSAGE.search(seen.text):
            return "the connection lost a message; connecting again to send it again", 0.0
        if HALF_MESSAGE in seen.text:
            return "the coordinator rested before a message was here; connecting again", 0.0
        if seen.is_connected and self._useless:
            return self._useless, 0.0
        if not seen.is_connected and time.monotonic() - seen.started > self._patience_s:
            waited, self._patience_s = self._patience_s, min(2 * self._patience_s, LONGEST_JOIN_S)
            why = f"the SuperNode was not connected after {waited:.0f} s; "
            return why + "starting it again and waiting longer", PAUSE_S
        return None

    def _look_again(self, seen: "_Seen") -> End | None:
        """Look for a coordinator that the child cannot reach; one that is back knows no session."""
        if RETRYING not in seen.news and not seen.was_away:
            return None
        trouble = self._trouble()
        if trouble is None:
            return (self._told, 0.0) if seen.was_away else None
        seen.was_away = True
        self._tell_once(f"{trouble}; trying again until it works")
        self._closed.wait(PAUSE_S)
        return None

    def _why_ended(self, text: bytes) -> str:
        if NO_PLACE in text:
            return (
                f"the SuperNode cannot use its socket in {self._place.secret_file.parent}; see "
                "supernode.log there; trying again"
            )
        return "the connection to the coordinator ended; connecting again"

    def _tell_once(self, line: str) -> None:
        """Report it if it is news: nobody needs the same line every second."""
        if line != self._told and not self._is_resting:
            self._told = line
            self._tell(line)


@dataclass
class _Seen:
    """What is known of the child that runs."""

    started: float
    text: bytes = b""  # the last that it printed
    news: bytes = b""  # since the last look
    is_connected: bool = False
    was_away: bool = False  # the coordinator was, since the child started

    def read(self, printed: BinaryIO) -> None:
        """Read what the child has printed since."""
        self.news = printed.read()
        self.text = self.text[-200:] + self.news


def put_aside(log: Path) -> None:
    """Rename a log that has grown large, over the one put aside before."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def _command(route: Route, place: MeetingPlace) -> list[str]:
    return [
        sys.executable,
        "-P",  # never import from the current directory
        "-m",
        "medfl_client.connection.supernode",
        place.path,
        str(place.secret_file),
        "--superlink",
        route.address,
        "--root-certificates",
        str(route.ca),
        "--auth-supernode-private-key",
        str(route.key),
        "--isolation",
        "process",
    ]
