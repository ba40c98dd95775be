"""The sandbox: files from outside are opened in processes that may be killed.

A worker has bounds of memory and time, writes no file and prints nothing. Where the kernel can hold
it (lockdown.py), it opens no file, no connection and no process either: its parent opens the files
of its jobs and hands it the descriptors. What crashes it, fills its memory or never ends costs the
one file that did so, and so does an answer of another form than the parent expects.
"""

import os
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Generic, TypeVar

from medfl_client.data.opened import WINDOW
from medfl_client.data.sandbox_handle import Worker, idle, take_worker
from medfl_client.data.sandbox_wire import (
    HEAD,
    PLACE,
    Refused,
    frame,
    take_frame,
    unpack_answers,
)
from medfl_client.data.sandbox_worker import report_locks
from medfl_common.errors import DataError

TIMEOUT_S = 60.0  # for one call of the work, whatever it holds
MAX_WORKERS = 32
MAX_BYTES = 2**24  # of one result
CRASHED = "reading it crashed the decoder"
NO_ANSWER = "its decoder gave an answer of another form than it should"

Job = TypeVar("Job")
Result = TypeVar("Result")
Given = TypeVar("Given", covariant=True)


def no_files(job: object) -> Sequence[Path]:
    """Name no file: what a worker of this work opens itself, if it may."""
    return ()


def is_lockable() -> bool:
    """Say that nothing more is imported once the work's own module is: the worker can be locked."""
    return True


@dataclass(frozen=True)
class Work(Generic[Job, Given]):
    """What is done to each job, at both ends. The first three are sent to the worker."""

    do: Callable[[Job], bytes]  # at the top level of a module, or a `functools.partial` of one
    accept: Callable[[Job, memoryview], Given]  # here; what it raises means: no such answer
    files: Callable[[Job], Sequence[Path]] = no_files  # here: what it may read for a job
    setup: Callable[[], bool] = is_lockable  # imports what is needed; True: lock it then
    max_bytes: int = MAX_BYTES  # of one result

    @property
    def key(self) -> tuple[bytes, bytes]:
        """Name the workers that can do it, and what a new one imports."""
        inner = self.do.func if isinstance(self.do, partial) else self.do
        return pickle.dumps((self.setup, inner.__module__)), pickle.dumps((self.setup, inner))


def in_sandbox(
    work: Work[Job, Result],
    jobs: Iterable[Job],
    chunk: int = 1,
    timeout_s: float = TIMEOUT_S,
    n_workers: int | None = None,
) -> Iterator[tuple[Job, Result | Refused]]:
    """Do `work` on each job in worker processes; yield (job, result) as they come, all of them.

    Args:
        work: A DataError that it raises in the worker is the reason; any other exception means
            that the file is damaged.
        jobs: Taken only as workers become free, so they may be many.
        chunk: Jobs given to a worker at a time. If one of them kills it, each is done again alone.
        timeout_s: A worker that takes longer over one chunk is killed.
        n_workers: Processes; as many as there are processors if not given.

    Raises DataError where no worker can be started.
    """
    pool = _Pool(work, timeout_s, n_workers or n_processors())
    try:
        yield from pool.run(iter(jobs), chunk)
    finally:
        pool.close()


def locks_here() -> int:
    """Start a worker and say which locks hold in it (lockdown.py)."""
    work: Work[None, int] = Work(do=report_locks, accept=lambda job, body: body[0])
    return next(found for _, found in in_sandbox(work, [None]) if isinstance(found, int))


def n_processors() -> int:
    """Count the processors that this process may use."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(n, MAX_WORKERS)


class _Pool(Generic[Job, Result]):
    def __init__(self, work: Work[Job, Result], timeout_s: float, n_workers: int) -> None:
        self._work = work
        self._timeout_s = timeout_s
        self._n_workers = n_workers
        self._busy: list[tuple[Worker, list[Job]]] = []
        self._again: deque[Job] = deque()  # to be done alone

    def run(self, jobs: Iterator[Job], chunk: int) -> Iterator[tuple[Job, Result | Refused]]:
        while True:
            self._fill(jobs, chunk)
            if not self._busy:
                return
            for worker, batch in self._stirring():
                done = self._attend(worker, batch)
                if done is not None:
                    self._busy.remove((worker, batch))
                    self._fill(jobs, chunk)  # first, so that no worker waits for our consumer
                    yield from done

    def close(self) -> None:
        """End the workers that still have something to do."""
        for worker, _ in self._busy:
            worker.end()

    def _fill(self, jobs: Iterator[Job], chunk: int) -> None:
        """Give work to as many workers as there may be."""
        while len(self._busy) < self._n_workers and (batch := self._next(jobs, chunk)):
            worker = take_worker(*self._work.key)
            self._busy.append((worker, batch))
            if worker.is_ready:
                self._send_batch(worker, batch)

    def _next(self, jobs: Iterator[Job], chunk: int) -> list[Job]:
        if self._again:
            return [self._again.popleft()]
        return [job for _, job in zip(range(chunk), jobs, strict=False)]

    def _send_batch(self, worker: Worker, batch: list[Job]) -> None:
        named = (os.fspath(path) for job in batch for path in self._work.files(job))
        worker.paths = list(dict.fromkeys(named))
        worker.n_windows = 16 + 8 * (len(worker.paths) // WINDOW)
        worker.deadline = time.monotonic() + self._timeout_s
        worker.cpu_s = worker.used_s()
        with suppress(OSError):  # it died meanwhile; _attend will see
            message = pickle.dumps((self._work.do, batch, worker.paths))
            worker.line.sendall(frame(b"B", message))
            worker.send_window(0)

    def _stirring(self) -> list[tuple[Worker, list[Job]]]:
        """Wait until a worker has said something, died or run out of time."""
        left = min(worker.deadline for worker, _ in self._busy) - time.monotonic()
        said = wait([worker.line for worker, _ in self._busy], timeout=max(left, 0))
        now = time.monotonic()
        return [(w, jobs) for w, jobs in self._busy if w.line in said or w.deadline < now]

    def _attend(
        self, worker: Worker, batch: list[Job]
    ) -> list[tuple[Job, Result | Refused]] | None:
        """Hear a worker: its results, or None where it is not done.

        Where it died, ran out of time or talks nonsense, its jobs are put back.
        """
        refused = Refused(CRASHED, is_crash=True)
        try:
            results = self._hear(worker, batch)
            if results is not None or time.monotonic() < worker.deadline:
                return results
            refused = self._late(worker)
        except (EOFError, OSError):
            _refuse_no_start(worker)
        except Exception:  # whatever it said, it was none of what a worker says
            refused = Refused(NO_ANSWER, is_crash=True)
        worker.end()
        if len(batch) == 1:
            return [(batch[0], refused)]
        self._again.extend(batch)
        return []

    def _hear(self, worker: Worker, batch: list[Job]) -> list[tuple[Job, Result | Refused]] | None:
        worker.hear()
        most = len(batch) * (self._work.max_bytes + HEAD.size)
        while True:
            limits = {b"O": PLACE.size, b"A": most} if worker.is_ready else {b"R": 1}
            found = take_frame(worker.buffer, limits)
            if found is None:
                return None
            letter, body = found
            if letter == b"R":
                worker.is_ready = True
                self._send_batch(worker, batch)
            elif letter == b"O":
                worker.send_window(PLACE.unpack(body)[0])
            else:
                return self._results(worker, batch, body)

    def _results(
        self, worker: Worker, batch: list[Job], body: memoryview
    ) -> list[tuple[Job, Result | Refused]]:
        answers = unpack_answers(body, len(batch))
        results = [
            (job, a if isinstance(a, Refused) else self._work.accept(job, a))
            for job, a in zip(batch, answers, strict=True)
        ]
        if worker.buffer:
            raise ValueError("more than the answers")
        worker.idle_since = time.monotonic()
        idle.append(worker)
        return results

    def _late(self, worker: Worker) -> Refused:
        """Say that it was stopped; to be remembered only where it worked, and did not wait."""
        _refuse_no_start(worker)
        worked_s = worker.used_s() - worker.cpu_s
        reason = f"reading it took more than {self._timeout_s:.0f} s and was stopped"
        return Refused(reason, is_crash=worked_s > self._timeout_s / 2)


def _refuse_no_start(worker: Worker) -> None:
    """Raise DataError where a worker ended before it was ready: that is no file's fault."""
    if not worker.is_ready:
        worker.end()
        raise DataError(
            "a process that decodes images did not start",
            todo="see whether this machine has memory and processes left, and start again",
            who="your IT department",
            data="no file was read by it",
        )
