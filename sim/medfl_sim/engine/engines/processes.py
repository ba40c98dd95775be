"""One worker process per core or GPU; weights and updates go through shared memory.

The engine forks its workers: they see this process's images without a copy, and start at once.
"""

import mmap
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from medfl_common.errors import ConfigError, RunError
from medfl_sim.engine.engines import ENGINES
from medfl_sim.engine.grid import be_a_task
from medfl_sim.engine.pool import Pool

Names = list[tuple[str, str, str, tuple[int, ...], str, int]]  # of arrays, with their bytes' number


@ENGINES.register("processes")
def processes(make_app: Callable[[], ClientApp], n_workers: int | None, max_bytes: int) -> Pool:
    """Start the workers; raises ConfigError if the system has no fork."""
    if "fork" not in multiprocessing.get_all_start_methods():
        raise ConfigError(
            "--engine processes needs a system with fork", todo="take inprocess or ray"
        )
    n = n_workers or torch.cuda.device_count() or os.cpu_count() or 1
    workers: list[_Worker] = []
    for number in range(n):
        workers.append(_Worker(number, make_app, max_bytes, [w.line for w in workers]))

    def close() -> None:
        for worker in workers:
            worker.line.close()
        for worker in workers:
            worker.process.terminate()
            worker.process.join()

    return Pool([worker.work for worker in workers], close)


class _Block:
    """A piece of shared memory for the arrays of one message at a time, one way."""

    def __init__(self, max_bytes: int) -> None:
        self._shared = mmap.mmap(-1, max_bytes)  # anonymous: a forked process shares it

    def put(self, content: RecordDict) -> tuple[RecordDict, Names]:
        """Write the arrays; return the other records and the layout, or all if too large."""
        records = content.array_records
        found = [(r, k, a) for r, record in records.items() for k, a in record.items()]
        if sum(len(array.data) for _, _, array in found) > len(self._shared):
            return content, []
        names, start = Names(), 0
        for record, key, array in found:
            n = len(array.data)
            self._shared[start : start + n] = array.data
            names.append((record, key, array.dtype, tuple(array.shape), array.stype, n))
            start += n
        return RecordDict({k: r for k, r in content.items() if k not in records}), names

    def take(self, rest: RecordDict, names: Names) -> RecordDict:
        """Join the other records and the arrays again."""
        start = 0
        for record, key, dtype, shape, stype, n in names:
            data = self._shared[start : start + n]
            rest.setdefault(record, ArrayRecord())
            rest.array_records[record][key] = Array(dtype, shape, stype, data)
            start += n
        return rest


class _Worker:
    """A process that runs the app, seen from the thread that feeds it."""

    def __init__(
        self,
        number: int,
        make_app: Callable[[], ClientApp],
        max_bytes: int,
        others: list[Connection],
    ) -> None:
        self._number = number
        self._inbox, self._outbox = _Block(max_bytes), _Block(max_bytes)
        self._last: dict[str, ArrayRecord] = {}  # the arrays that the worker has
        context = multiprocessing.get_context("fork")
        self.line, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve,
            args=(number, make_app, theirs, [*others, self.line], self._inbox, self._outbox),
            daemon=True,
        )
        self.process.start()
        theirs.close()

    def work(self, message: Message, context: Context) -> Message:
        """Have the worker answer one message; raises RunError if the process has died."""
        arrays = dict(message.content.array_records)
        is_known = [*arrays] == [*self._last] and all(
            list(map(id, arrays[r].values())) == list(map(id, self._last[r].values()))
            for r in arrays
        )
        rest, names = message.content, None
        if is_known:
            rest = RecordDict({k: r for k, r in message.content.items() if k not in arrays})
        else:
            rest, names = self._inbox.put(message.content)
        self._last = arrays
        try:
            self.line.send((rest, names, message.metadata, context.node_id, context.node_config))
            answer: Any = self.line.recv()
        except (EOFError, OSError):
            self.process.join(1)
            raise RunError(
                f"worker {self._number} ended with status {self.process.exitcode} (-9: killed, "
                "often for want of memory)",
                todo="start the same command again, with fewer --workers",
                data="nothing is lost",
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        return Message(self._outbox.take(*answer), reply_to=message)


def _serve(
    number: int,
    make_app: Callable[[], ClientApp],
    line: Connection,
    others: list[Connection],
    inbox: _Block,
    outbox: _Block,
) -> None:
    """Answer messages until the pipe closes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:
        other.close()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    be_a_task()
    torch.set_num_threads(1)
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
    app, arrays = make_app(), RecordDict()
    while True:
        try:
            rest, names, metadata, node, config = line.recv()
        except (EOFError, OSError):
            return
        if names is not None:
            whole = inbox.take(rest, names)
            arrays = RecordDict({**whole.array_records})
        content = RecordDict({**rest, **{k: ArrayRecord(dict(r)) for k, r in arrays.items()}})
        message = Message(
            content, metadata.dst_node_id, metadata.message_type, group_id=metadata.group_id
        )
        message.metadata.__dict__["_message_id"] = metadata.message_id
        try:
            reply = app(message, Context(metadata.run_id, node, config, RecordDict(), {}))
            line.send(outbox.put(reply.content))
        except (
            Exception
        ):  # the traceback as text, for developers: a pipe cannot carry all its objects
            line.send(RunError(f"worker {number} failed:\n{traceback.format_exc()}"))


def _end_with(sentinel: int) -> None:
    """End this process when its parent is gone, killed or not."""
    wait([sentinel])
    os._exit(1)
