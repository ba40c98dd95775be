"""The executor's side of Flower's own SuperNode, in this process, without a coordinator."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from flwr.app import Context, Message, RecordDict
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.constant import TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.main import create_app
from flwr.supernode.nodestate import NodeState, NodeStateFactory
from flwr.supernode.start_client_internal import _insert_message

from medfl_client.config.folder import StateFolder
from medfl_client.connection.meeting_place import MeetingPlace, prepare_place
from medfl_client.connection.supernode import Asgi, proving
from medfl_sim.local.deployment import wait_until

SECRET = bytes(range(32))
NODE, RUN = 5, 7


def place_in(folder: Path) -> MeetingPlace:
    folder.mkdir(exist_ok=True, parents=True)
    return prepare_place(StateFolder(folder), SECRET, folder / "executor.key")


class LocalSuperNode:
    """What a SuperNode keeps and serves; `forget` makes another of it, as a restart does."""

    def __init__(self) -> None:
        self._factory = NodeStateFactory(ObjectStoreFactory())
        self.app: Asgi = proving(create_app(self._factory, SECRET), SECRET)
        self._state().set_node_id(NODE)

    def forget(self) -> None:
        self._factory.objectstore_factory = ObjectStoreFactory()
        self._factory.state_instance = None
        self._state().set_node_id(NODE)

    def give(self, is_whole: bool = True) -> None:
        """Put a task out."""
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN, NODE
        message = Message(RecordDict(), dst_node_id=NODE, message_type="train")
        state, run = self._state(), Run.create_empty(RUN)
        run.fab_hash = state.store_fab(Fab("", b"", {}))
        state.set_run_series_context(0, Context(RUN, NODE, {}, RecordDict(), {}))
        state.store_run(run)
        _insert_message(message, state, state.object_store)
        if not is_whole:
            state.object_store.delete(message.metadata.message_id)
        assert state.create_task(TaskType.CLIENT_APP, RUN, run.fab_hash) is not None

    def spoil(self, objects: dict[str, bytes]) -> None:
        """Put other objects in the place of the last task's, the last of them as its root."""
        store = self._state().object_store
        (message,) = self._state().msg_store.values()  # type: ignore[attr-defined]
        entries = store.store  # type: ignore[attr-defined]
        *below, (_, root) = objects.items()
        for name, content in below:
            ids = content.split(b" ")[1].decode().split(",")
            leaves = [ObjectTree(object_id=one) for one in ids if one]
            store.preregister(RUN, ObjectTree(object_id=name, children=leaves))
            store.put(name, content)
        entry = entries[message.message.metadata.message_id]
        entry.content, entry.child_object_ids = root, [name for name, _ in below[-1:]]

    def n_replies(self) -> int:
        """Count the answers that came since the last time."""
        return len(self._state().get_messages_legacy(is_reply=True))

    def _state(self) -> NodeState:
        return self._factory.state()


@contextmanager
def served(app: Asgi, place: MeetingPlace) -> Iterator[None]:
    """Serve an app at a place."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        uds=place.path,
        log_config=None,
        ws="none",
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 20, "the server")
    yield
    server.should_exit = server.force_exit = True
    thread.join(20)
