"""A worker of the sandbox as its parent sees it: started, fed with files, kept a while, ended."""

import atexit
import os
import pickle
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from medfl_client.data.opened import WINDOW, open_plain
from medfl_client.data.sandbox_wire import frame

START_S = 180.0  # for a worker to start, on a busy machine
SEND_S = 30  # for a worker to take what it asked for
IDLE_S = 20.0  # a worker without work ends after so long
_ENTRY = "import sys; from medfl_client.data.sandbox_worker import serve; serve(int(sys.argv[1]))"


@dataclass
class Worker:
    """One process."""

    key: bytes  # what it has imported
    process: "subprocess.Popen[bytes]"
    line: socket.socket
    buffer: bytearray = field(default_factory=bytearray)
    deadline: float = 0.0  # of what it does
    is_ready: bool = False  # it has started, and takes work
    idle_since: float = 0.0
    paths: list[str] = field(default_factory=list)  # that it may read now
    n_windows: int = 0  # how often it may still ask for more of them
    cpu_s: float = 0.0  # used before this batch

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.line.close()
        self.process.wait()

    def hear(self) -> None:
        """Take what has come so far; raises EOFError where the worker is gone."""
        with suppress(BlockingIOError):
            data = self.line.recv(2**20, socket.MSG_DONTWAIT)
            if not data:
                raise EOFError
            self.buffer += data

    def send_window(self, place: int) -> None:
        """Hand over descriptors of its files from a place on, with the errors of the others."""
        if self.n_windows <= 0 or place > len(self.paths):
            raise ValueError("more files than its batch has")
        self.n_windows -= 1
        opened, errors = [], []
        for path in self.paths[place : place + WINDOW]:
            try:
                opened.append(open_plain(path))
                errors.append(0)
            except OSError as error:
                errors.append(error.errno or 5)
        try:
            body = b"".join(error.to_bytes(4, "little") for error in errors)
            if opened:
                socket.send_fds(self.line, [frame(b"W", body)], opened)
            else:
                self.line.sendall(frame(b"W", body))
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def used_s(self) -> float:
        """Give the seconds of a processor that it has used, where the system tells."""
        with suppress(OSError, ValueError, IndexError):
            stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        return float("inf")


idle: list[Worker] = []  # kept for the next call


def take_worker(key: bytes, start: bytes) -> Worker:
    """Give a worker that waits, or a new one.

    Args:
        key: What it must have imported.
        start: Pickled: what a new one imports.
    """
    for worker in [worker for worker in idle if worker.key == key]:
        try:
            idle.remove(worker)
        except ValueError:  # another thread took it
            continue
        is_fresh = time.monotonic() - worker.idle_since < IDLE_S / 2
        if is_fresh and worker.process.poll() is None:
            return worker
        worker.end()
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_S, 0))
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _ENTRY, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **one_thread},  # a copy: another thread may change the original
    )
    theirs.close()
    ours.sendall(frame(b"S", pickle.dumps((sys.path, start))))
    return Worker(key, process, ours, deadline=time.monotonic() + START_S)


@atexit.register
def _end_idle() -> None:
    while idle:
        idle.pop().end()
