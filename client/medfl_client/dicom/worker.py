"""The sandbox: files from outside are opened in processes that may be killed.

A worker has bounds of memory and time, writes no file and prints nothing. What crashes it, fills
its memory or never ends costs the one file that did so. Workers import no torch: they start fast.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

import threadpoolctl

from medfl_common.errors import DataError

MEMORY = 2 * 2**30  # bytes that one worker may take above what it starts with
TIMEOUT_S = 60.0  # for one call of the work, whatever it holds
MAX_WORKERS = 32

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Refused:
    """Why a job has no result."""

    reason: str
    is_lasting: bool = False  # the same file will give the same; not so after a crash or a time-out


@dataclass
class _Worker(Generic[Job]):
    process: BaseProcess
    connection: Connection
    jobs: list[Job]
    deadline: float = 0.0


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
            that it raises is the reason; any other exception becomes a reason by its name.
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
        self._workers: list[_Worker[Job]] = []
        self._again: deque[Job] = deque()  # to be done alone

    def run(self, jobs: Iterator[Job], chunk: int) -> Iterator[tuple[Job, Result | Refused]]:
        is_more = True
        while True:
            while is_more and len(self._workers) < self._n_workers:
                is_more = self._start_next(jobs, chunk, None)
            if not self._workers:
                return
            for worker in self._ready():
                yield from self._collect(worker)
                is_more = self._start_next(jobs, chunk, worker)

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.connection.close()
        self._workers.clear()

    def _start_next(self, jobs: Iterator[Job], chunk: int, worker: _Worker[Job] | None) -> bool:
        """Give a worker, or a new one, its next jobs; without any, end it. False: none are left."""
        alone = [self._again.popleft()] if self._again else []
        batch = alone or [job for _, job in zip(range(chunk), jobs, strict=False)]
        if worker is not None and worker not in self._workers:
            worker = None  # it was killed
        if not batch:
            if worker is not None:
                self._end(worker)
            return False
        if worker is None:
            worker = self._start_worker()
        worker.jobs, worker.deadline = batch, time.monotonic() + self._timeout_s
        with suppress(BrokenPipeError):  # it died meanwhile; _collect will see
            worker.connection.send((self._work, batch))
        return True

    def _start_worker(self) -> "_Worker[Job]":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["medfl_client.dicom.reader"])
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        worker: _Worker[Job] = _Worker(process, ours, [])
        self._workers.append(worker)
        return worker

    def _ready(self) -> list["_Worker[Job]"]:
        """Wait until a worker has answered, died or run out of time."""
        left = min(worker.deadline for worker in self._workers) - time.monotonic()
        answered = wait([worker.connection for worker in self._workers], timeout=max(left, 0))
        now = time.monotonic()
        return [w for w in self._workers if w.connection in answered or w.deadline < now]

    def _collect(self, worker: "_Worker[Job]") -> Iterator[tuple[Job, Result | Refused]]:
        reason = f"reading it took more than {self._timeout_s:.0f} s and was stopped"
        try:
            if worker.connection.poll():
                results: list[Result | Refused] = worker.connection.recv()
                yield from zip(worker.jobs, results, strict=True)
                return
        except (EOFError, OSError):
            reason = "reading it crashed the decoder"
        self._end(worker)
        if len(worker.jobs) > 1:
            self._again.extend(worker.jobs)
        else:
            yield worker.jobs[0], Refused(reason)

    def _end(self, worker: "_Worker[Job]") -> None:
        worker.process.kill()
        worker.connection.close()
        worker.process.join()
        self._workers.remove(worker)


def _serve(connection: Connection) -> None:
    """Do what comes, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started us
    warnings.simplefilter("ignore")  # their texts hold values of headers
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    threadpoolctl.threadpool_limits(1)  # the processes share the processors, not threads
    _bound_resources()
    _keep_freed_memory()
    while True:
        try:
            work, jobs = connection.recv()
        except (EOFError, OSError):
            return
        connection.send([_try(work, job) for job in jobs])


def _try(work: Callable[[Job], Result], job: Job) -> Result | Refused:
    try:
        return work(job)
    except DataError as error:
        return Refused(str(error), is_lasting=True)
    except FileNotFoundError:
        return Refused("the file is gone")
    except PermissionError:
        return Refused("the file may not be read; check its permissions")
    except MemoryError:
        return Refused(f"reading it needs more than {MEMORY / 2**30:.0f} GB of memory")
    except Exception as error:  # one bad file costs one row, whatever a parser makes of it
        return Refused(f"the file is damaged ({type(error).__name__})", is_lasting=True)


def _keep_freed_memory() -> None:
    """Have the C library reuse the memory of one picture for the next.

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
