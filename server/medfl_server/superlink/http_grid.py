"""Flower's Grid in this process: its Runtime API as calls, whole replies, a bell for the hospitals.

This file and superlink.py have private flwr imports; a contract test holds them.
"""

from collections.abc import Iterable
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
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.run import Run
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.grid.http_grid import HttpGrid
from flwr.superlink.servicer.runtime import runtime_handlers

from medfl_server.superlink.listener import Bell


class DirectRuntime:
    """Flower's Runtime API as function calls: no port, no HTTP between the SuperLink and the loop.

    Has the methods of RuntimeHttpClient that HttpGrid uses.
    """

    def __init__(self, state: InMemoryLinkState, task: Task) -> None:
        self.state = state
        self._task = task

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
    """Flower's Grid, which wakes the hospitals and fetches a reply only when it is whole."""

    def __init__(self, run: Run, runtime: DirectRuntime, bell: Bell) -> None:
        super().__init__(insecure=True, token="in this process")  # noqa: S106
        self._client = cast(RuntimeHttpClient, runtime)
        self._state = runtime.state
        self._bell = bell
        self.set_run(run)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Put messages out and wake the hospitals."""
        ids = super().push_messages(messages)
        self._bell.ring()
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Fetch the replies that are whole; Flower would sleep a second on one still arriving."""
        arriving = {
            reply.metadata.reply_to_message_id
            for reply in list(self._state.message_res_store.values())
            if not self._is_whole(reply.metadata.message_id)
        }
        replies = list(super().pull_messages([i for i in message_ids if i not in arriving]))
        for reply in replies:  # a dead site never confirms its task, so Flower keeps it
            self._state.object_store.delete(reply.metadata.reply_to_message_id)
        return replies

    def _is_whole(self, reply_id: str) -> bool:
        store = self._state.object_store
        tree = store.get_object_tree(reply_id)
        return all(store.get(node.object_id) for node in iterate_object_tree(tree))
