"""An in-process Grid: the same ServerApp and ClientApp as in a real study, no other process.

The only file of the simulator with private flwr imports; a contract test holds them.
"""

from collections.abc import Iterable, Mapping

from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from medfl_server.post import Presence

RUN_ID = 1


class InProcessGrid(Grid):
    """Answers a message when its reply is fetched: one site at a time, in the order of asking.

    So one model and one update are in memory, whatever the number of sites, and no thread or
    process changes the order of anything.

    Args:
        client_app: The app that every site runs.
        sites: The names of the virtual hospitals; node i + 1 is sites[i].
    """

    def __init__(self, client_app: ClientApp, sites: list[str]) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, RUN_ID, 1
        self._app = client_app
        self._run = Run.create_empty(RUN_ID)
        self._contexts = {
            node: Context(RUN_ID, node, {"site": site}, RecordDict(), {})
            for node, site in enumerate(sites, start=1)
        }
        self._waiting: dict[str, Message] = {}
        self._n_sent = 0

    def set_run(self, run: Run) -> None:
        """Take the run that the Grid belongs to."""
        self._run = run

    @property
    def run(self) -> Run:
        """Give the run that the Grid belongs to."""
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
        """Take messages; nothing runs yet."""
        ids = []
        for message in messages:
            self._n_sent += 1
            message_id = f"message-{self._n_sent}"
            message.metadata.__dict__["_message_id"] = message_id
            self._waiting[message_id] = message
            ids.append(message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Run the ClientApp for each message and give its reply."""
        taken = [self._waiting.pop(i) for i in message_ids if i in self._waiting]
        return [self._app(_own_copy(m), self._contexts[m.metadata.dst_node_id]) for m in taken]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Answer messages one after the other; `timeout` cannot pass, there is no waiting."""
        return self.pull_messages(self.push_messages(messages))

    def presence(self) -> Mapping[str, Presence]:
        """Say who is there: every virtual hospital, always."""
        return {
            str(context.node_config["site"]): Presence(node, "simulated")
            for node, context in self._contexts.items()
        }


def _own_copy(message: Message) -> Message:
    """Give a site its own records, as if they had travelled; the array bytes are shared."""
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


def run_apps(server_app: ServerApp, grid: InProcessGrid) -> None:
    """Run a ServerApp against the Grid until it returns."""
    server_app(grid=grid, context=Context(RUN_ID, 1, {}, RecordDict(), {}))
