"""SuperLink in this process, behind a listener that passes the hospitals' API and nothing else.

The only file of the server with private flwr imports; a contract test holds them. Flower's
SuperLink serves its fleet, control and runtime APIs on one port, and its open-source control API
asks nobody who they are: so that port is on loopback, and the public one is a filter before it.
"""

import asyncio
import io
import logging
import secrets
import threading
import time
import zipfile
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.app import Message
from flwr.common.constant import SubStatus
from flwr.common.serde import context_from_proto, run_from_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab as FabProto
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
)
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.serverapp import ServerApp
from flwr.supercore.constant import NodeStatus, TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.interceptors import (
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.grid.http_grid import HttpGrid
from flwr.superlink.main import create_app

from medfl_common.errors import LinkError
from medfl_server.listener import Bell, FleetOnly, Listener, bind, uvicorn_config
from medfl_server.post import Presence

START_S = 30.0  # how long the SuperLink may take to come up
ERROR_CHECK_S = 1.0  # how often Flower is asked whether a reply will never come
OWNER = ("<id:none>", "none")  # the account of a SuperLink without accounts
APP = "@medfl/medfl"
ACQUIRE = "/flwr.proto.Runtime/AcquireTask"


class StudyGrid(HttpGrid):
    """Flower's Grid, which rings for the hospitals and fetches a reply only when it is whole."""

    def __init__(self, address: str, token: str, state: InMemoryLinkState, bell: Bell) -> None:
        super().__init__(address, insecure=True, root_certificates=None, token=token)
        self._state = state
        self._bell = bell
        self._checked: dict[str, float] = {}

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Put messages out and wake the hospitals."""
        ids = super().push_messages(messages)
        self._bell.ring()
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Fetch the replies that are whole; Flower would sleep a second on one still arriving."""
        ready = [message_id for message_id in message_ids if self._is_ready(message_id)]
        return super().pull_messages(ready) if ready else []

    def _is_ready(self, message_id: str) -> bool:
        for reply in list(self._state.message_res_store.values()):
            if reply.metadata.reply_to_message_id == message_id:
                return self._is_whole(reply.metadata.message_id)
        now = time.monotonic()
        is_due = now - self._checked.get(message_id, 0.0) >= ERROR_CHECK_S
        if is_due:
            self._checked[message_id] = now
        return is_due

    def _is_whole(self, reply_id: str) -> bool:
        store = self._state.object_store
        tree = store.get_object_tree(reply_id)
        return all(store.get(node.object_id) for node in iterate_object_tree(tree))


class Link:
    """A SuperLink with the sites of one roster.

    Args:
        roster: name -> OpenSSH public key line.
        listener: Where hospitals connect.
    """

    def __init__(self, roster: Mapping[str, str], listener: Listener) -> None:
        self._secret = secrets.token_bytes(32)
        self._private, self._public = bind("127.0.0.1", 0), bind(listener.host, listener.port)
        self.address = f"127.0.0.1:{self._private.getsockname()[1]}"
        self._app = create_app(_superlink_config(self.address, self._secret), SuperLinkLifespan)
        self._state: InMemoryLinkState = self._app.state.linkstate_factory.state()
        _let_restarted_sites_back(self._state)
        self._nodes = {name: self._enter(line) for name, line in roster.items()}
        self._bell = Bell()
        self._servers = [
            uvicorn.Server(uvicorn_config(self._app)),
            uvicorn.Server(uvicorn_config(FleetOnly(self._app, self._bell), listener)),
        ]
        self._thread = threading.Thread(target=self._serve, name="superlink", daemon=True)

    def presence(self) -> dict[str, Presence]:
        """List the connected sites by name."""
        online = self._state.get_node_info(statuses=[NodeStatus.ONLINE])
        sessions = {info.node_id: str(info.last_activated_at) for info in online}
        return {
            name: Presence(node, sessions[node])
            for name, node in self._nodes.items()
            if node in sessions
        }

    def run(self, app: ServerApp) -> None:
        """Serve the hospitals while the app runs; its exceptions pass through."""
        self._thread.start()
        try:
            self._wait_until_started()
            self._run_app(app)
        finally:
            for server in self._servers:
                server.should_exit = True
                server.force_exit = True
            self._thread.join(timeout=5)

    def _enter(self, key_line: str) -> int:
        key = load_ssh_public_key(key_line.encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise LinkError("the roster holds a key that is not an elliptic-curve key")
        return self._state.create_node(*OWNER, public_key_to_bytes(key), heartbeat_interval=30.0)

    def _serve(self) -> None:
        async def serve() -> None:
            private, public = self._servers
            await asyncio.gather(
                private.serve(sockets=[self._private]), public.serve(sockets=[self._public])
            )

        asyncio.run(serve())

    def _wait_until_started(self) -> None:
        ends = time.monotonic() + START_S
        while not all(server.started for server in self._servers):
            if time.monotonic() > ends or not self._thread.is_alive():
                raise LinkError("Flower's SuperLink did not start; see superlink.log")
            time.sleep(0.02)

    def _run_app(self, app: ServerApp) -> None:
        """Start a Flower run and be the executor of its ServerApp task in this process."""
        self._start_run()
        grid = StudyGrid(self.address, self._acquire(), self._state, self._bell)
        client = grid._runtime_client
        heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
        heartbeat.start()
        outcome = SubStatus.FAILED
        try:
            task = client.PullTaskInput(PullTaskInputRequest())
            TaskIdentity.task_id, TaskIdentity.run_id = task.task_id, task.run.run_id
            TaskIdentity.node_id = task.context.node_id
            grid.set_run(run_from_proto(task.run))
            app(grid=grid, context=context_from_proto(task.context))
            outcome = SubStatus.COMPLETED
        finally:
            client.PushTaskOutput(PushTaskOutputRequest(sub_status=outcome, details=""))
            heartbeat.stop()
            grid.close()

    def _start_run(self) -> None:
        fab = _empty_fab()
        self._state.store_app(
            fab=fab,
            federation_id="@none/default",
            app_id=APP,
            app_type=TaskType.SERVER_APP,
            added_by=OWNER[0],
            is_hub_app=False,
            display_name=None,
            description=None,
            color=None,
        )
        control = ControlHttpClient.from_server_address(
            self.address,
            insecure=True,
            root_certificates=None,
            interceptors=[RuntimeVersionHttpInterceptor(component_name="medfl-server")],
        )
        request = StartRunRequest(
            fab=FabProto(hash_str=fab.hash_str), app_spec=APP, federation="@none/default"
        )
        control.StartRun(request)

    def _acquire(self) -> str:
        """Take the ServerApp task of the run; give its token."""
        client = RuntimeHttpClient.from_server_address(
            server_address=self.address,
            insecure=True,
            root_certificates=None,
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="flwr-serverapp"),
                SuperExecAuthHttpInterceptor(
                    master_secret=self._secret, protected_methods=frozenset({ACQUIRE})
                ),
            ],
            retry_invoker=make_simple_http_retry_invoker(),
        )
        while True:
            answer = client.AcquireTask(
                AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
            )
            if answer.HasField("task") and answer.token:
                client.close()
                return str(answer.token)
            time.sleep(0.05)


def log_to(path: Path) -> None:
    """Send Flower's and uvicorn's own log lines to a file; the screen is for the study."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("flwr", "uvicorn", "uvicorn.error", "httpx"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False


def _superlink_config(address: str, secret: bytes) -> SuperLinkLifespanConfig:
    host, port = address.split(":")
    return SuperLinkLifespanConfig(
        control_address=address,
        health_server_address=None,
        host=host,
        port=int(port),
        insecure=True,  # on loopback; the public listener has TLS
        certificates=None,
        superexec_auth_secret=secret,
        authn_plugin=NoOpControlAuthnPlugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type="grpc-rere",
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=None,
        ssl_certfile=None,
        ssl_keyfile=None,
        database=":flwr-in-memory:",
        isolation="process",
        runtime_dependency_install=False,
    )


def _empty_fab() -> Fab:
    """Make the app bundle that Flower insists on: a name and no code."""
    text = (
        '[project]\nname = "medfl"\nversion = "0.1.0"\n'
        '[tool.flwr.app]\npublisher = "medfl"\n'
        '[tool.flwr.app.components]\nserverapp = "medfl_server.app:app"\n'
        'clientapp = "medfl_client.app:app"\n'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("pyproject.toml", text)
    content = buffer.getvalue()
    return Fab(sha256(content).hexdigest(), content, {})


def _let_restarted_sites_back(state: InMemoryLinkState) -> None:
    """Let a site in whose process was killed: Flower would turn its key away for a minute."""
    activate = state.activate_node

    def activate_or_take_over(node_id: int, heartbeat_interval: float) -> bool:
        if activate(node_id, heartbeat_interval):
            return True
        state.deactivate_node(node_id)
        return activate(node_id, heartbeat_interval)

    setattr(state, "activate_node", activate_or_take_over)  # noqa: B010
