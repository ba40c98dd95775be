"""A SuperLink in this process with two enrolled hospitals, and whatever bytes one of them sends."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.app import Message, RecordDict
from flwr.common.serde import message_to_proto, run_from_proto
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_children_ids_from_object_content,
)
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.servicer.fleet import fleet_handlers

from medfl_client.config.identity import create_identity, signing_key
from medfl_common.run.folder import RunFolder
from medfl_common.wire.signature import seal
from medfl_server.roster.certificates import create_authority
from medfl_server.roster.enrolment import Enrolled
from medfl_server.superlink.arrivals import SENDER
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.http_grid import DirectRuntime, StudyGrid
from medfl_server.superlink.listener import Listener
from medfl_server.superlink.superlink import SuperLink
from medfl_server.superlink.transport import Arrival, Post

SITES = ("north", "south")
Objects = dict[str, bytes]  # by id, the root last


def stored(kind: str, below: Sequence[str], body: bytes) -> tuple[str, bytes]:
    """Give an object as Flower stores it, and its id."""
    content = f"{kind} {','.join(below)} {len(body)}".encode() + b"\0" + body
    return hashlib.sha256(content).hexdigest(), content


class Wire:
    """The coordinator's end, and `send` for the hospitals'."""

    def __init__(self, folder: Path, max_reply: int = 2**20) -> None:
        create_authority(folder, "study", "localhost")
        self._folder, made = folder, RunFolder(folder)
        lines = {name: create_identity(self._made(name), name) for name in SITES}
        self.roster = {
            name: Enrolled(*(" ".join(line.split()[:2]) for line in lines[name]), 0)
            for name in SITES
        }
        listener = Listener(
            "127.0.0.1", 0, made.server_certificate, made.server_key, max_reply=max_reply
        )
        self.link = SuperLink(lambda: self.roster, listener, lambda line: None)
        self.state = self.link._state
        task, given = self.link._take_task()
        TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
        TaskIdentity.node_id = given.context.node_id
        self.run = run_from_proto(given.run)
        self.grid = StudyGrid(
            self.run, DirectRuntime(self.state, task), Bell(), self.link._arrivals, max_reply
        )
        self.post = Post(self.grid, self.link.connected_sites, lambda: self.roster, 600.0)
        for name in SITES:
            key = load_ssh_public_key(self.roster[name].transport.encode())
            asked = ActivateNodeRequest(
                public_key=public_key_to_bytes(key), heartbeat_interval=1800.0
            )
            fleet_handlers.activate_node(asked, self.state)

    def close(self) -> None:
        """Give the port back."""
        self.link._socket.close()

    def _made(self, name: str) -> Path:
        (self._folder / name).mkdir(exist_ok=True)
        return self._folder / name

    def ask(self, site: str, content: RecordDict) -> str:
        """Send a site a task; give its id."""
        return self.post.send(self.link.connected_sites()[site], content, 1) or ""

    def reply(self, asked: str, content: RecordDict) -> tuple[Message, Objects]:
        """Make the reply of an honest site, and its objects."""
        message = Message(content, reply_to=self.state.message_ins_store[asked])
        message.metadata.__dict__["_message_id"] = message.object_id
        return message, {i: one.deflate() for i, one in get_all_nested_objects(message).items()}

    def seal(self, site: str, content: RecordDict) -> RecordDict:
        """Sign a reply as a site would, to a task that nobody signed."""
        return seal(content, "", signing_key(self._made(site)))

    def key(self, site: str) -> bytes:
        """Give a site's key as its requests have it."""
        key = load_ssh_public_key(self.roster[site].transport.encode())
        return base64.b64encode(public_key_to_bytes(key))  # type: ignore[arg-type]

    def announce(
        self, site: str, message: Message, objects: Objects, tree: ObjectTree | None = None
    ) -> str:
        """Announce objects, the last of them as the root of a message; give the session."""
        root = [*objects][-1]
        message.metadata.__dict__["_message_id"] = root
        announced = PushMessagesRequest(
            node=Node(node_id=message.metadata.src_node_id),
            messages_list=[message_to_proto(message)],
            message_object_trees=[tree or _tree(root, objects)],
        )
        with self._as(site):
            return str(fleet_handlers.push_messages(announced, self.state).session_id)

    def send(self, message: Message, objects: Objects, tree: ObjectTree | None = None) -> None:
        """Announce objects and send them."""
        node = message.metadata.src_node_id
        found = self.link._places.whose(node)
        assert found is not None
        site = found[1]
        session = self.announce(site, message, objects, tree)
        for name, content in objects.items():
            one = PushObjectRequest(
                node=Node(node_id=node), run_id=self.run.run_id, object_id=name,
                object_content=content, session_id=session,
            )  # fmt: skip
            with self._as(site):
                fleet_handlers.push_object(one, self.state)

    @contextmanager
    def _as(self, site: str) -> Iterator[None]:
        token = SENDER.set(self.key(site))
        try:
            yield
        finally:
            SENDER.reset(token)

    def fetch(self, asked: str) -> Arrival | None:
        """Look three times for a reply, as the round loop does."""
        looks = (self.post.fetch(asked) for _ in range(3))
        return next((one for one in looks if one is not None), None)


def _tree(root: str, objects: Objects) -> ObjectTree:
    below = get_object_children_ids_from_object_content(objects[root]) if root in objects else []
    return ObjectTree(object_id=root, children=[_tree(one, objects) for one in below])
