"""The sandbox: files from outside are opened in processes that may be killed.

A worker has bounds of memory and time, writes no file and prints nothing. What crashes it, fills
its memory or never ends costs the one file that did so. Workers import no torch: they start fast.
They are interpreters of their own, so that no script of a caller is run again in them.
"""

import atexit
import ctypes
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

import threadpoolctl

from medfl_client.data.listing import CLOSED_FILE, GONE
from medfl_common.errors import DataError, system_reason

MEMORY = 2 * 2**30  # bytes that one worker may take above what it starts with
TIMEOUT_S = 60.0  # for one call of the work, whatever it holds
MAX_WORKERS = 32
START_S = 60.0  # for a worker to start, on a busy machine
IDLE_S = 20.0  # a worker without work ends after so long
_ENTRY = "import sys; from medfl_client.data.sandbox import serve; serve(int(sys.argv[1]))"

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Refused:
    """Why a job has no result."""

    reason: str
    is_lasting: bool = False  # the same file will give the same
    is_crash: bool = False  # the same file will give the same to the same decoders


@dataclass
class _Worker:
    process: "subprocess.Popen[bytes]"
    connection: Connection
    deadline: float = 0.0  # of what it does
    is_ready: bool = False  # it has started, and takes work
    idle_since: float = 0.0

    def end(self) -> None:
        self.process.kill()
        self.connection.close()
        self.process.wait()


_idle: list[_Worker] = []  # kept a while for the next call


def in_sandbox(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    chunk: int = 1,
    timeout_s: float = TIMEOUT_S,
    n_workers: int | None = None,
) -> Iterator[tuple[Job, Result | Refused]]:
    """Do `work` on each job in worker processes; yield (job, result) as they come, all of them.

    Args:
        work: A function at the top level of a module, or a `functools.partial` of one. A DataError
            that it raises is the reason; any other exception means that the file is damaged.
        jobs: Taken only as workers become free, so they may be many.
        chunk: Jobs given to a worker at a time. If one of them kills it, each is done again alone.
        timeout_s: A worker that takes longer over one chunk is killed.
        n_workers: Processes; as many as there are processors if not given.
    """
    pool = _Pool(work, timeout_s, n_workers or n_processors())
    try:
        yield from pool.run(iter(jobs), chunk)
    finally:
        pool.close()


def n_processors() -> int:
    """Count the processors that this process may use."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(n, MAX_WORKERS)


class _Pool(Generic[Job, Result]):
    def __init__(self, work: Callable[[Job], Result], timeout_s: float, n_workers: int) -> None:
        self._work = work
        self._timeout_s = timeout_s
        self._n_workers = n_workers
        self._busy: list[tuple[_Worker, list[Job]]] = []
        self._again: deque[Job] = deque()  # to be done alone

    def run(self, jobs: Iterator[Job], chunk: int) -> Iterator[tuple[Job, Result | Refused]]:
        while True:
            self._fill(jobs, chunk)
            if not self._busy:
                return
            for worker, batch in self._ready():
                self._busy.remove((worker, batch))
                done = self._receive(worker, batch)
                self._fill(jobs, chunk)  # first, so that no worker waits for our consumer
                yield from done

    def close(self) -> None:
        """End the workers that still have something to do."""
        for worker, _ in self._busy:
            worker.end()

    def _fill(self, jobs: Iterator[Job], chunk: int) -> None:
        """Give work to as many workers as there may be."""
        while len(self._busy) < self._n_workers and (batch := self._next(jobs, chunk)):
            self._start(batch)

    def _next(self, jobs: Iterator[Job], chunk: int) -> list[Job]:
        if self._again:
            return [self._again.popleft()]
        return [job for _, job in zip(range(chunk), jobs, strict=False)]

    def _start(self, batch: list[Job]) -> None:
        worker = _take_worker()
        worker.deadline = time.monotonic() + (self._timeout_s if worker.is_ready else START_S)
        self._busy.append((worker, batch))
        with suppress(BrokenPipeError):  # it died meanwhile; _receive will see
            worker.connection.send((os.getcwd(), self._work, batch))

    def _ready(self) -> list[tuple[_Worker, list[Job]]]:
        """Wait until a worker has answered, died or run out of time."""
        left = min(worker.deadline for worker, _ in self._busy) - time.monotonic()
        answered = wait([worker.connection for worker, _ in self._busy], timeout=max(left, 0))
        now = time.monotonic()
        return [(w, jobs) for w, jobs in self._busy if w.connection in answered or w.deadline < now]

    def _receive(self, worker: _Worker, batch: list[Job]) -> list[tuple[Job, Result | Refused]]:
        """Take a worker's results; where it died or ran out of time, put its jobs back."""
        reason = f"reading it took more than {self._timeout_s:.0f} s and was stopped"
        try:
            if worker.connection.poll() and not worker.is_ready:
                worker.is_ready = worker.connection.recv()
                worker.deadline = time.monotonic() + self._timeout_s
                self._busy.append((worker, batch))
                return []
            if worker.connection.poll():
                results: list[Result | Refused] = worker.connection.recv()
                worker.idle_since = time.monotonic()
                _idle.append(worker)
                return list(zip(batch, results, strict=True))
        except (EOFError, OSError):
            reason = "reading it crashed the decoder"
        worker.end()
        if len(batch) == 1:
            return [(batch[0], Refused(reason, is_crash=True))]
        self._again.extend(batch)
        return []


def _take_worker() -> _Worker:
    """Give a worker that waits, or a new one."""
    while _idle:
        worker = _idle.pop()
        is_fresh = time.monotonic() - worker.idle_since < IDLE_S / 2
        if is_fresh and worker.process.poll() is None:
            return worker
        worker.end()
    ours, theirs = Pipe()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _ENTRY, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),  # a copy: another thread may change the original meanwhile
    )
    theirs.close()
    ours.send(sys.path)
    return _Worker(process, ours)


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()


def serve(handle: int) -> None:
    """Be a worker: do what comes, until the other end is closed or nothing comes for long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us
    warnings.simplefilter("ignore")
    connection = Connection(handle)
    sys.path[:] = connection.recv()
    threadpoolctl.threadpool_limits(1)  # the processes share the processors, not threads
    _bound_resources()
    _keep_freed_memory()
    with suppress(EOFError, OSError):
        connection.send(True)  # ready
        while connection.poll(IDLE_S):
            folder, work, jobs = connection.recv()
            os.chdir(folder)  # where relative paths begin; it may be another than last time
            connection.send([_try(work, job) for job in jobs])


def _try(work: Callable[[Job], Result], job: Job) -> Result | Refused:
    try:
        return work(job)
    except DataError as error:
        return Refused(str(error), is_lasting=True)
    except FileNotFoundError:
        return Refused(GONE)
    except PermissionError:
        return Refused(CLOSED_FILE)
    except OSError as error:
        if error.errno is None:  # a parser's own
            return Refused("the file is damaged", is_lasting=True)
        return Refused(f"the system cannot read the file ({system_reason(error)})")
    except MemoryError:
        reason = f"reading it needs more than {MEMORY / 2**30:.0f} GB of memory"
        return Refused(reason, is_crash=True)
    except Exception:  # one bad file costs one row, whatever a parser makes of it
        return Refused("the file is damaged", is_lasting=True)


def _keep_freed_memory() -> None:
    """Have the C library reuse the memory of one image for the next.

    Taking it from the system anew costs a third of the time that an uncompressed file needs.
    """
    with suppress(OSError, AttributeError):  # only glibc has it
        c_library = ctypes.CDLL(None)
        c_library.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD
        c_library.mallopt(-1, 2**30)  # M_TRIM_THRESHOLD


def _bound_resources() -> None:
    """Limit memory, and take away the writing of files and core dumps."""
    import resource

    if sys.platform == "linux":  # elsewhere this limit does not work, or counts otherwise
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
