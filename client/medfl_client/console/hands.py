"""The processes that work for a console: one that has loaded what it needs waits for more.

A person reads a plan, and then approves it: the process that put it in words is still there. It
ends when nobody has needed it for a while.
"""

import subprocess
import sys
import threading

IDLE_S = 300.0
COMMAND = (sys.executable, "-P", "-m", "medfl_client.console.worker")
Process = subprocess.Popen[str]


class Hands:
    """Gives processes, and keeps one that is idle."""

    def __init__(self) -> None:
        self._idle: Process | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def take(self) -> Process:
        """Give the idle process, or a new one."""
        with self._lock:
            found, self._idle = self._idle, None
            self._forget_time()
        if found is not None and found.poll() is None:
            return found
        return subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def give_back(self, process: Process) -> None:
        """Keep a process that has done its work, or end it where one is idle already."""
        with self._lock:
            if self._idle is None and process.poll() is None:
                self._idle = process
                self._timer = threading.Timer(IDLE_S, self.close)
                self._timer.daemon = True
                self._timer.start()
                return
        end(process)

    def close(self) -> None:
        """End the idle process."""
        with self._lock:
            found, self._idle = self._idle, None
            self._forget_time()
        if found is not None:
            end(found)

    def _forget_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def end(process: Process) -> None:
    """End a process, and wait for it."""
    process.terminate()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()
