"""One sound request of each kind that a SuperNode makes, and who handles it."""

from collections.abc import Callable
from typing import Any

from flwr.app import RecordDict
from flwr.common.serde import message_to_proto
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.inflatable.inflatable_object import get_object_tree
from flwr.superlink.servicer.fleet import fleet_handlers as fleet
from tests.unit.server.hostile import Wire

Request = tuple[Any, Callable[[Any], Any]]


def fleet_requests(wire: Wire, asked: str, content: RecordDict) -> list[Request]:
    """Make the requests of the hospital that was asked."""
    state, run = wire.state, wire.run.run_id
    store = state.object_store
    message, objects = wire.reply(asked, content)
    announced = message_to_proto(message)
    announced.ClearField("content")
    node = Node(node_id=message.metadata.src_node_id)
    part, bytes_ = next(iter(objects.items()))
    alive = {"node": node, "run_id": run}
    return [
        (
            ActivateNodeRequest(public_key=b"key", heartbeat_interval=30.0),
            lambda r: fleet.activate_node(r, state),
        ),
        (DeactivateNodeRequest(node_id=7), lambda r: fleet.deactivate_node(r, state)),
        (
            SendNodeHeartbeatRequest(node=node, heartbeat_interval=30.0),
            lambda r: fleet.send_node_heartbeat(r, state),
        ),
        (PullMessagesRequest(node=node), lambda r: fleet.pull_messages(r, state, store)),
        (
            PushMessagesRequest(
                node=node,
                messages_list=[announced],
                message_object_trees=[get_object_tree(message)],
                clientapp_runtime_list=[1.0],
            ),
            lambda r: fleet.push_messages(r, state),
        ),
        (
            PushObjectRequest(object_id=part, object_content=bytes_, session_id="s", **alive),
            lambda r: fleet.push_object(r, state),
        ),
        (PullObjectRequest(object_id=part, **alive), lambda r: fleet.pull_object(r, state)),
        (
            ConfirmMessageReceivedRequest(message_object_id=asked, **alive),
            lambda r: fleet.confirm_message_received(r, state, store),
        ),
        (GetRunRequest(**alive), lambda r: fleet.get_run(r, state)),
        (GetFabRequest(hash_str="ab" * 32, **alive), lambda r: fleet.get_fab(r, state)),
    ]
