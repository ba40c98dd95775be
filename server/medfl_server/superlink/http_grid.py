"""Flower's Grid in this process: its Runtime API as calls, whole replies, a bell for the hospitals.

This file and superlink.py have private flwr imports; a contract test holds them.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from flwr.app import Message
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
    PushObjectResponse,
)
from flwr.proto.runtime_pb2 import (
    GetNodesRequest,
    GetNodesResponse,
    PullAppMessagesRequest,
    PullAppMessagesResponse,
    PushAppMessagesRequest,
    PushAppMessagesResponse,
)
from flwr.proto.task_pb2 import Task
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from flwr.supercore.run import Run
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.grid.http_grid import HttpGrid
from flwr.superlink.servicer.runtime import runtime_handlers

from medfl_common.errors import reason_of
from medfl_common.wire.objects import MAX_OBJECTS, check_objects
from medfl_server.superlink.arrivals import Arrivals
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.limits import MAX_REPLY
from medfl_server.superlink.transport import HaltedReplyError, UnreadableReplyError


class DirectRuntime:
    """Flower's Runtime API as function calls: no port, no HTTP between the SuperLink and the loop.

    Has the methods of RuntimeHttpClient that HttpGrid uses.
    """

    def __init__(self, state: InMemoryLinkState, task: Task) -> None:
        self.state = state
        self._task = task

    @property
    def task_id(self) -> int:
        """Give Flower's number of the ServerApp's task."""
        return self._task.task_id

    def PushMessages(self, request: PushAppMessagesRequest) -> PushAppMessagesResponse:  # noqa: N802, D102
        return runtime_handlers.push_messages(request, self.state, self._task)

    def PullMessages(self, request: PullAppMessagesRequest) -> PullAppMessagesResponse:  # noqa: N802, D102
        return runtime_handlers.pull_messages(request, self.state, self._task)

    def PushObject(self, request: PushObjectRequest) -> PushObjectResponse:  # noqa: N802, D102
        return runtime_handlers.push_object(request, self.state, self._task)

    def PullObject(self, request: PullObjectRequest) -> PullObjectResponse:  # noqa: N802, D102
        return runtime_handlers.pull_object(request, self.state, self._task)

    def ConfirmMessageReceived(  # noqa: N802, D102
        self, request: ConfirmMessageReceivedRequest
    ) -> ConfirmMessageReceivedResponse:
        return runtime_handlers.confirm_message_received(request, self.state, self._task)

    def GetNodes(self, request: GetNodesRequest) -> GetNodesResponse:  # noqa: N802, D102
        return runtime_handlers.get_nodes(request, self.state, self._task)


class StudyGrid(HttpGrid):
    """Flower's Grid, which wakes the hospitals and fetches a reply only when it is whole.

    Args:
        run: Flower's run.
        runtime: Where messages are.
        bell: Rings when a message is out.
        arrivals: The replies on their way in.
        max_reply: Bytes of the largest allowed reply.
    """

    def __init__(
        self,
        run: Run,
        runtime: DirectRuntime,
        bell: Bell,
        arrivals: Arrivals,
        max_reply: int = MAX_REPLY,
    ) -> None:
        super().__init__(insecure=True, token="in this process")  # noqa: S106
        self._client = cast(RuntimeHttpClient, runtime)
        self._state = runtime.state
        self._objects = cast(InMemoryObjectStore, runtime.state.object_store).store
        self._bell, self._arrivals = bell, arrivals
        self._max_reply = max_reply
        self._task_id = runtime.task_id
        self.set_run(run)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Put messages out and wake the hospitals.

        Flower writes into a message the run and task of the process; here each loop has its own.
        """
        messages = [*messages]
        for message in messages:
            message.metadata.__dict__["_run_id"] = self.run.run_id
            message.metadata.src_task_id = self._task_id
        ids = super().push_messages(messages)
        self._bell.ring()
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Fetch the replies that are whole; Flower would sleep a second on one still arriving.

        Raises UnreadableReplyError for the first that cannot be read, and HaltedReplyError for one
        that came to a halt; both are forgotten.
        """
        found: list[Message] = []
        for asked in message_ids:
            if self._arrivals.is_dropped(asked):
                self._forget(asked, None)
                raise HaltedReplyError("its upload came to a halt")
            reply = self._state.message_ins_id_to_message_res_id.get(asked)
            if reply is not None and not self._is_whole(reply):
                continue
            try:
                messages = self._read(asked, reply)
            except Exception as error:  # whatever a site sends costs that site, and nobody else
                self._forget(asked, reply)
                why = reason_of(error, "its parts are not those of a message")
                raise UnreadableReplyError(f"the reply cannot be read: {why}") from None
            if messages:  # a dead site never confirms its task, so Flower keeps it
                self._state.object_store.delete(asked)
            found += messages
        return found

    def _is_whole(self, reply: str) -> bool:
        left, seen = [reply], set[str]()
        while left:
            entry = self._objects.get(left.pop())
            if entry is None or not entry.is_available:
                return False
            new = set(entry.child_object_ids) - seen
            seen |= new
            left += new
        return True

    def _read(self, asked: str, reply: str | None) -> list[Message]:
        """Read the reply to a message, or what Flower says in its place."""
        if reply is not None:
            self._check_size(reply, {})
            check_objects(reply, self._state.object_store.get, self._max_reply)
        messages = list(super().pull_messages([asked]))
        if not all(isinstance(one, Message) for one in messages):
            raise UnreadableReplyError("it is no message")
        return messages

    def _check_size(self, name: str, known: dict[str, int]) -> int:
        """Count an announced tree's objects: Flower writes each as often as it is named."""
        if name not in known:
            below = self._objects[name].child_object_ids
            known[name] = 1 + sum(self._check_size(child, known) for child in below)
            if known[name] > MAX_OBJECTS:
                raise UnreadableReplyError("it announces too many parts")
        return known[name]

    def _forget(self, asked: str, reply: str | None) -> None:
        """Drop a task and what was sent for it."""
        for name in filter(None, (asked, reply)):
            with suppress(Exception):
                self._state.object_store.delete(name)
        self._state.delete_messages({asked})
