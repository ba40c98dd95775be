"""Several workers over one queue of messages, a thread for each; replies wait in order."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flwr.app import Context, Message

Work = Callable[[Message, Context], Message]  # blocks until a worker has the reply

AHEAD = 4  # finished replies per worker that may wait; this bounds the memory


@dataclass(frozen=True)
class _Job:
    message_id: str
    message: Message
    context: Context


class Pool:
    """Gives messages to workers; a site goes to the worker that knows its data, if free.

    Args:
        workers: The workers; one thread calls each.
        close: Ends what the workers use.
    """

    def __init__(self, workers: Sequence[Work], close: Callable[[], None]) -> None:
        self._close = close
        self._queue: list[_Job] = []
        self._done: dict[str, Message | BaseException] = {}
        self._home: dict[int, int] = {}  # node -> the worker that had it last
        self._n_running = 0
        self._most = AHEAD * len(workers)
        self._awaited = ""
        self._is_closed = False
        self._changed = threading.Condition()
        for number, work in enumerate(workers):
            threading.Thread(target=self._serve, args=(number, work), daemon=True).start()

    def push(self, message_id: str, message: Message, context: Context) -> None:
        """Take a message for the site of a context."""
        with self._changed:
            self._queue.append(_Job(message_id, message, context))
            self._changed.notify_all()

    def pull(self, message_id: str) -> Message:
        """Return the reply, once; raises what its worker raised."""
        with self._changed:
            self._awaited = message_id
            self._changed.notify_all()
            self._changed.wait_for(lambda: message_id in self._done)
            reply = self._done.pop(message_id)
            self._changed.notify_all()
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def close(self) -> None:
        """End the workers; drop the replies that nobody asked for."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()
        self._close()

    def _serve(self, number: int, work: Work) -> None:
        while (job := self._next(number)) is not None:
            reply: Message | BaseException
            try:
                reply = work(job.message, job.context)
            except Exception as error:  # it belongs to whoever asks for the reply
                reply = error
            with self._changed:
                self._n_running -= 1
                self._done[job.message_id] = reply
                self._changed.notify_all()

    def _next(self, number: int) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._free())
            if self._is_closed:
                return None
            here = self._queue[: max(self._free(), 1)]
            known = [job for job in here if self._home.get(_node(job), number) == number]
            job = (known or here)[0]
            self._queue.remove(job)
            self._home[_node(job)] = number
            self._n_running += 1
            return job

    def _free(self) -> int:
        """Count the jobs that may start now; the one that the caller waits for always may."""
        if not self._queue:
            return 0
        room = self._most - len(self._done) - self._n_running
        return max(room, int(self._queue[0].message_id == self._awaited))


def _node(job: _Job) -> int:
    return job.message.metadata.dst_node_id
