"""Flower's SuperLink in this process: its fleet API behind our listener, the rest as calls.

A separate SuperLink serves the hospitals' API together with a control API without authentication.
Here only the fleet API has a port; the start of the run, its ServerApp task and its messages are
calls. This file and http_grid.py have private flwr imports; a contract test holds them.
"""

import asyncio
import base64
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SubStatus
from flwr.common.serde import context_from_proto, run_from_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab as FabProto
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullTaskInputRequest,
    PullTaskInputResponse,
    PushTaskOutputRequest,
)
from flwr.proto.task_pb2 import Task
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.serverapp import ServerApp
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.constant import NodeStatus, TaskType
from flwr.supercore.fab import Fab
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app
from flwr.superlink.servicer.control import control_handlers
from flwr.superlink.servicer.runtime import runtime_handlers

from medfl_common.errors import LinkError
from medfl_server.roster.enrolment import Enrolled, Roster
from medfl_server.superlink.arrivals import Arrivals
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.callers import Callers
from medfl_server.superlink.duplicate_clients import TWO_CLIENTS
from medfl_server.superlink.empty_bundle import empty_bundle
from medfl_server.superlink.http_grid import DirectRuntime, StudyGrid
from medfl_server.superlink.join_desk import JoinDesk, Take
from medfl_server.superlink.listener import FleetOnly, Listener
from medfl_server.superlink.places import Hospitals, Places
from medfl_server.superlink.port import PortLoop, allow_many_files, bind, uvicorn_config
from medfl_server.superlink.session_takeover import let_restarted_sites_back
from medfl_server.superlink.transport import Announce, ConnectedSite

START_S = 30.0  # for the SuperLink to come up
STOP_S = 3.0  # for open requests to end when it goes down
FEDERATION = "@none/default"
APP = "@medfl/medfl"
ConnectedSites = Callable[[], dict[str, ConnectedSite]]


class SuperLink:
    """A SuperLink with the sites of one study's roster, or of several.

    Args:
        roster: Returns a study's sites with their present keys; it may change meanwhile.
        listener: Where hospitals connect.
        announce: Takes one line for the coordinator's eyes.
        take_join: Decides who joins by an invitation; None: nobody does.
    """

    def __init__(
        self,
        roster: Callable[[], Roster],
        listener: Listener,
        announce: Announce,
        take_join: Take | None = None,
    ) -> None:
        self._max_reply = listener.max_reply
        self._socket = bind(listener.host, listener.port)
        app = create_app(_superlink_config(), SuperLinkLifespan)
        self._state: InMemoryLinkState = app.state.linkstate_factory.state()
        let_restarted_sites_back(self._state)
        self._places = Places(self._enter, self._put_out)
        self.connected_sites = self.also(roster, announce)
        self._one_start = threading.Lock()
        self._bell = Bell()
        self._arrivals = Arrivals(self._state)
        face = FleetOnly(
            app if take_join is None else JoinDesk(app, take_join),
            self._bell,
            self._arrivals.has_room,
            self._tell_of_two_clients,
            listener.max_reply,
            Callers(self._state).knows,
            self._arrivals.note,
            self._enrolled_as,
        )
        self._server = uvicorn.Server(uvicorn_config(face, listener.certificate, listener.key))
        self._thread = threading.Thread(target=self._serve, name="superlink", daemon=True)

    def also(self, roster: Callable[[], Roster], announce: Announce) -> ConnectedSites:
        """Serve a study's sites, too; give what lists the connected ones by name."""
        hospitals = Hospitals(roster, announce)
        self._places.add(hospitals)

        def connected_sites() -> dict[str, ConnectedSite]:
            self._places.follow()
            online = self._state.get_node_info(statuses=[NodeStatus.ONLINE])
            sessions = {info.node_id: str(info.last_activated_at) for info in online}
            return {
                name: ConnectedSite(node, sessions[node])
                for name, node in self._places.nodes(hospitals).items()
                if node in sessions
            }

        return connected_sites

    def run(self, app: ServerApp) -> None:
        """Serve the hospitals while the app runs; pass its exceptions through."""
        with self.serving():
            self.run_app(app)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve the hospitals meanwhile."""
        allow_many_files()
        self._thread.start()
        try:
            self._wait_until_started()
            yield
        finally:
            self._bell.close()
            self._server.should_exit = True
            self._thread.join(timeout=STOP_S)

    def _enter(self, key_line: str) -> int:
        key = load_ssh_public_key(key_line.encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise LinkError("the roster holds a key that is not an elliptic-curve key")
        return self._state.create_node(
            NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public_key_to_bytes(key), heartbeat_interval=30.0
        )

    def _enrolled_as(self, key: bytes) -> str:
        found = self._whose(key)
        return f"{found[1]} {found[2].fingerprint}" if found else ""

    def _tell_of_two_clients(self, key: bytes) -> None:
        if found := self._whose(key):
            found[0].announce(TWO_CLIENTS.format(name=found[1]))

    def _whose(self, key: bytes) -> tuple[Hospitals, str, Enrolled] | None:
        node = self._state.get_node_id_by_public_key(base64.b64decode(key))
        return None if node is None else self._places.whose(node)

    def _put_out(self, node: int) -> None:
        """Delete a node, so that Flower refuses its key from now on."""
        self._state.activate_node(node, 0.0)  # Flower deletes only a node that has connected once
        self._state.delete_node(NOOP_FLWR_AID, node)
        key = self._state.nodes[node].public_key
        self._state.node_public_key_to_node_id.pop(key, None)  # or it could never come back

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=PortLoop) as runner:
            runner.run(self._server.serve(sockets=[self._socket]))

    def _wait_until_started(self) -> None:
        ends = time.monotonic() + START_S
        while not self._server.started:
            if time.monotonic() > ends or not self._thread.is_alive():
                raise LinkError("Flower's SuperLink did not start", todo="see superlink.log")
            time.sleep(0.02)

    def run_app(self, app: ServerApp) -> None:
        """Start a Flower run and be the executor of its ServerApp task in this process.

        Each study has a run; the thread that calls this is its loop's.
        """
        with self._one_start:  # a run's task is taken by who has started the run
            task, given = self._take_task()
        outcome = SubStatus.FAILED
        try:
            TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
            TaskIdentity.node_id = given.context.node_id
            grid = StudyGrid(
                run_from_proto(given.run),
                DirectRuntime(self._state, task),
                self._bell,
                self._arrivals,
                self._max_reply,
            )
            app(grid=grid, context=context_from_proto(given.context))
            outcome = SubStatus.COMPLETED
        finally:
            ended = PushTaskOutputRequest(sub_status=outcome, details="")
            runtime_handlers.push_task_output(ended, self._state, task)
            self._state.cleanup_run(given.run.run_id)  # replies that nobody reads took up room

    def _take_task(self) -> tuple[Task, PullTaskInputResponse]:
        """Start a run, and take its ServerApp task for good.

        Flower ends a run whose executor is silent for 60 s. The executor is this process, which may
        stand still for longer: a computer that sleeps, a machine that is moved.
        """
        task = self._start_run()
        given = runtime_handlers.pull_task_input(PullTaskInputRequest(), self._state, task)
        token = self._state.task_token_store[task.task_id]
        token.active_until = datetime.max.replace(tzinfo=UTC)
        return task, given

    def _start_run(self) -> Task:
        """Start a run of the empty bundle, and claim its ServerApp task."""
        content = empty_bundle()
        fab = Fab(sha256(content).hexdigest(), content, {})
        self._state.store_app(
            fab=fab,
            federation_id=FEDERATION,
            app_id=APP,
            app_type=TaskType.SERVER_APP,
            added_by=NOOP_FLWR_AID,
            is_hub_app=False,
            display_name=None,
            description=None,
            color=None,
        )
        request = StartRunRequest(
            fab=FabProto(hash_str=fab.hash_str), app_spec=APP, federation=FEDERATION
        )
        account = AccountInfo(flwr_aid=NOOP_FLWR_AID, account_name=NOOP_ACCOUNT_NAME)
        control_handlers.start_run(request, account, self._state, fleet_api_type=None)
        wanted = AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
        return runtime_handlers.acquire_task(wanted, self._state).task


def _superlink_config() -> SuperLinkLifespanConfig:
    """Configure a SuperLink in memory that starts no process and opens no port."""
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host="127.0.0.1",
        port=0,
        insecure=True,  # unused: the listener before it has TLS
        certificates=None,
        superexec_auth_secret=secrets.token_bytes(32),
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
