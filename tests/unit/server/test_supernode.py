"""Flower's own SuperNode code at the public port: a task goes out, and its reply comes in whole."""

import gc
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supernode.fleet_http_connection import http_request_response

from medfl_client.config.folder import PRIVATE
from medfl_client.config.identity import create_identity
from medfl_common.run.folder import RunFolder
from medfl_common.wire.tensors import decode_weights, encode_weights
from medfl_server.roster.certificates import create_authority
from medfl_server.roster.enrolment import Enrolled
from medfl_server.superlink.listener import Listener
from medfl_server.superlink.superlink import SuperLink
from medfl_server.superlink.transport import Post

pytestmark = [  # httpx on Flower's use of it; uvicorn leaves connections to the end of its process
    pytest.mark.filterwarnings("ignore:`verify=<str>`:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WEIGHTS = {"w": torch.arange(3e6)}  # 12 MB: three pieces
SHAPES = {"w": (3_000_000,)}


class Study:
    """Asks its only site once, and keeps what came."""

    def __init__(self, folder: Path) -> None:
        create_authority(folder, "study", "localhost")
        made = RunFolder(folder)
        lines = create_identity(folder, "north")
        self.roster = {"north": Enrolled(*(" ".join(line.split()[:2]) for line in lines))}
        listener = Listener("127.0.0.1", 0, made.server_certificate, made.server_key)
        self.link = SuperLink(lambda: self.roster, listener, lambda line: None)
        self.address = f"localhost:{self.link._socket.getsockname()[1]}"
        self.ca, self.key = str(made.ca), folder / PRIVATE
        self.found: RecordDict | None = None
        self.thread = threading.Thread(target=lambda: self.link.run(self._app()))

    def _app(self) -> ServerApp:
        app = ServerApp()

        @app.main()
        def main(grid: Grid, context: Context) -> None:
            post = Post(grid, self.link.connected_sites, lambda: self.roster, 600.0)
            while not (present := post.connected_sites()):
                time.sleep(0.05)
            asked = post.send(present["north"], RecordDict({"w": encode_weights(WEIGHTS)}), 1)
            while (arrival := post.fetch(asked or "")) is None:
                time.sleep(0.05)
            self.found = arrival.content

        return app


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    found = Study(tmp_path)
    found.thread.start()
    yield found
    found.thread.join(30)
    found.link._socket.close()
    del found.link, found.thread
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


def test_a_supernode_gets_its_task_and_its_reply_is_whole(study: Study) -> None:
    key = load_ssh_private_key(study.key.read_bytes(), None)
    with http_request_response(
        study.address,
        False,
        study.ca,
        (key, key.public_key()),
        3,
        30.0,  # type: ignore[arg-type, union-attr]
    ) as (_, receive, send, _, _, pull_object, push_object, confirm):
        while (received := receive()) is None:
            pass
        head, tree = received
        run, root = head.metadata.run_id, head.metadata.message_id
        ids = [node.object_id for node in iterate_object_tree(tree)]
        parts = {name: pull_object(run, name) for name in ids}
        confirm(run, root)
        task = inflate_object_from_contents(root, parts)
        assert isinstance(task, Message)
        task.metadata.__dict__["_message_id"] = root
        reply = Message(RecordDict({"w": task.content["w"]}), reply_to=task)
        reply.metadata.__dict__["_message_id"] = reply.object_id
        objects = {name: one.deflate() for name, one in get_all_nested_objects(reply).items()}

        wanted, session = send(reply, get_object_tree(reply), 1.0)
        for name in wanted:
            push_object(run, session, name, objects[name])
        study.thread.join(20)

    assert study.found is not None
    assert torch.equal(decode_weights(study.found.array_records["w"], SHAPES)["w"], WEIGHTS["w"])
