"""The way to the coordinator: is it there, is it the right one, and a SuperNode that is kept up."""

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medfl_common.errors import LinkError

LOOK_S = 0.2  # between looks at the SuperNode
PAUSE_S = 1.0  # before the SuperNode is started again
JOIN_S = 30.0  # a SuperNode that is not connected by then is started anew
REFUSED_PAUSE_S = 5.0  # before a key that is not enrolled is tried again
CONNECT_S = 10.0  # for one attempt to reach the coordinator
LOG_BYTES = 10_000_000  # of what the SuperNode prints; a larger file is put aside at a start

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Route:
    """Where the coordinator is, and by what each side knows the other."""

    address: str  # host:port
    ca: Path
    key: Path  # identity key of this site
    enrolment_lines: str  # what to send to the coordinator, for messages


def trust(route: Route) -> ssl.SSLContext:
    """Trust the study's certificate authority and no other; raises LinkError if there is none."""
    try:
        return ssl.create_default_context(cafile=str(route.ca))
    except (OSError, ssl.SSLError):
        raise LinkError(
            f"server.ca {route.ca.resolve()} is no certificate; put the coordinator's ca.crt there"
        ) from None


def look(route: Route, context: ssl.SSLContext) -> str | None:
    """Open one TLS connection; give None, or in one sentence why it cannot be and who must act."""
    host, port = route.address.rsplit(":", 1)
    try:
        with (
            socket.create_connection((host, int(port)), timeout=CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return _explain_certificate(error, route)
    except ssl.SSLError:
        return f"{route.address} does not speak TLS; ask the coordinator for the right address"
    except socket.gaierror:
        return f"the name {host} is not known here; check server.address and the DNS"
    except OSError as error:
        return f"the coordinator at {route.address} cannot be reached ({error.strerror or error})"


def _explain_certificate(error: ssl.SSLCertVerificationError, route: Route) -> str:
    text = error.verify_message
    if "expired" in text:
        return "the coordinator's certificate has expired; ask the coordinator to renew it"
    if "ostname" in text or "IP address" in text:
        return f"the coordinator's certificate is not for {route.address}; check server.address"
    return (
        f"the coordinator's certificate is not signed by {route.ca} ({text}); ask the coordinator "
        "for the ca.crt of this study"
    )


class SuperNode:
    """Flower's SuperNode under supervision: started again whenever it ends, until closed.

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
                self._tell_once(f"the connection could not be started ({error}); trying again")
                pause = PAUSE_S
            self._closed.wait(pause)

    def _run_child(self) -> float:
        """Run the SuperNode until it ends; give the pause before the next start."""
        put_aside(self._log)
        with self._log.open("ab") as log:
            begins, is_connected, started = log.tell(), False, time.monotonic()
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(os.environ),  # a copy: another thread's imports may change it meanwhile
            )
            while child.poll() is None:
                if not is_connected and b"SuperNode ID:" in self._printed(begins):
                    is_connected = True
                    self._tell_once("connected to the coordinator; waiting for tasks")
                if not is_connected and time.monotonic() - started > JOIN_S:
                    child.kill()  # the coordinator answered just before, so it hangs by itself
                if self._closed.wait(LOOK_S):
                    child.terminate()
                    child.wait()
                    return 0.0
        if re.search(rb"code: 2004|code: 2001", self._printed(begins)):
            self._tell_once(
                "the coordinator does not know this site's keys (yet, or no more). Send it these "
                f"lines, for `medfl-server enrol`:\n  {self._route.enrolment_lines}"
            )
            return REFUSED_PAUSE_S
        self._tell_once("the connection to the coordinator ended; connecting again")
        return PAUSE_S

    def _printed(self, begins: int) -> bytes:
        with self._log.open("rb") as file:
            file.seek(begins)
            return file.read()

    def _tell_once(self, line: str) -> None:
        """Say it if it is news: a person does not need the same line every second."""
        if line != self._told:
            self._told = line
            self._tell(line)


def put_aside(log: Path) -> None:
    """Rename a log that has grown large, over the one that was put aside before."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def _command(route: Route, port: int, secret_file: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "medfl_client.supernode",
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
