"""A Grid of virtual hospitals: the same ServerApp and ClientApp as in a real study.

The only file of the simulator with private flwr imports; a contract test holds them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from medfl_server.superlink.transport import ConnectedSite
from medfl_sim.engine.engines import Engine

RUN_ID = 1


class SimulatedGrid(Grid):
    """Hands messages to an engine, and waits for a reply when the caller fetches it.

    Args:
        engine: Runs the ClientApp.
        sites: The names of the virtual hospitals; node i + 1 is sites[i].
    """

    def __init__(self, engine: Engine, sites: Sequence[str]) -> None:
        be_a_task()
        self._engine = engine
        self._run = Run.create_empty(RUN_ID)
        self._contexts = {
            node: Context(RUN_ID, node, {"site": site, "partition-id": node - 1}, RecordDict(), {})
            for node, site in enumerate(sites, start=1)
        }
        self._connected_sites = {
            str(context.node_config["site"]): ConnectedSite(node, "simulated")
            for node, context in self._contexts.items()
        }
        self._waiting: set[str] = set()
        self._n_sent = 0

    def set_run(self, run: Run) -> None:
        """Set the run that the Grid belongs to."""
        self._run = run

    @property
    def run(self) -> Run:
        """Return the run that the Grid belongs to."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message; deprecated in Flower, where Message() does it."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """List the virtual hospitals."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Take messages; each site gets its own records."""
        ids = []
        for message in messages:
            self._n_sent += 1
            message_id = f"message-{self._n_sent}"
            message.metadata.__dict__["_message_id"] = message_id
            context = self._contexts[message.metadata.dst_node_id]
            self._engine.push(message_id, own_copy(message), context)
            self._waiting.add(message_id)
            ids.append(message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Yield each reply when it arrives."""
        taken = [i for i in message_ids if i in self._waiting]
        self._waiting -= set(taken)
        return [self._engine.pull(i) for i in taken]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Answer messages; ignore `timeout`, because every virtual hospital answers."""
        return self.pull_messages(self.push_messages(messages))

    def connected_sites(self) -> Mapping[str, ConnectedSite]:
        """List the connected sites: always every virtual hospital."""
        return self._connected_sites


def be_a_task() -> None:
    """Give this process the identity that Flower needs to make messages."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN_ID, 1


def own_copy(message: Message) -> Message:
    """Give a site its own records, as if they had travelled; share the array bytes."""
    content = RecordDict(
        {
            key: ArrayRecord(dict(record)) if isinstance(record, ArrayRecord) else record.copy()
            for key, record in message.content.items()
        }
    )
    metadata = message.metadata
    copy = Message(content, metadata.dst_node_id, metadata.message_type, group_id=metadata.group_id)
    copy.metadata.__dict__["_message_id"] = metadata.message_id
    return copy


def run_apps(server_app: ServerApp, grid: SimulatedGrid) -> None:
    """Run a ServerApp against the Grid until it returns."""
    server_app(grid=grid, context=Context(RUN_ID, 1, {}, RecordDict(), {}))


def flower_ray_backend(settings: Mapping[str, Any], load_app: Callable[[], ClientApp]) -> Any:
    """Start Flower's own Ray backend, an actor for each share of `settings` (see Flower's docs)."""
    name = "flwr.server.superlink.fleet.vce.backend.raybackend"  # needs Ray
    backend = import_module(name).RayBackend(dict(settings))
    backend.build(load_app)
    return backend
