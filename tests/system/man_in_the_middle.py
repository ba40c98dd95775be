"""Who ends TLS with a certificate that sites trust, and rewrites Flower's messages in both ways.

Flower names an object by the hash of its content, so whoever changes one renames all above it.
"""

import asyncio
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from flwr.app import Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.fleet_pb2 import (
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    PushMessagesResponse,
)
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
    PushObjectResponse,
)
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

Change = Callable[[RecordDict], RecordDict]
Answer = tuple[int, bytes]


class Man:
    """Stands at `port`; each task and reply is given to a function, whose result goes on."""

    def __init__(self, port: int, to_port: int, tls: Path, task: Change, reply: Change) -> None:
        self._task, self._reply = task, reply
        self._far = httpx.Client(
            base_url=f"https://localhost:{to_port}",
            verify=ssl.create_default_context(cafile=tls / "ca.crt"),
            timeout=60,
        )
        self._made: dict[str, bytes] = {}  # objects of tasks, by id
        self._real: dict[str, str] = {}  # id of a changed task -> its own
        self._pushed: dict[bytes, tuple[PushMessagesRequest, dict[str, bytes]]] = {}
        self._lock = threading.Lock()
        config = uvicorn.Config(
            self._answer_asgi, "127.0.0.1", port, log_level="critical",
            lifespan="off", ws="none", interface="asgi3",
            ssl_certfile=str(tls / "server.crt"), ssl_keyfile=str(tls / "server.key"),
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    async def _answer_asgi(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        status, content, headers = await asyncio.to_thread(self._answer, scope, body)
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": content})

    def _answer(self, scope: Any, body: bytes) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        left_out = (b"host", b"content-length", b"connection", b"accept-encoding")
        headers = {k: v for k, v in scope["headers"] if k not in left_out}

        def ask(path: str, request: bytes, method: str = "POST") -> httpx.Response:
            return self._far.request(method, path, content=request, headers=headers)

        path = scope["path"]
        name = path.rsplit("/", 1)[-1].replace("-", "_")
        do = getattr(self, f"_{name}", None)
        if do is not None:
            kind = [(b"content-type", b"application/x-protobuf")]
            found = do(body, lambda p, r: ask(f"/v1/fleet/{p}", r), headers[b"flwr-public-key"])
            return 200, found, kind
        far = ask(path, body, scope["method"])
        kept = [(k, v) for k, v in far.headers.raw if k.lower() not in (b"content-length",)]
        return far.status_code, far.content, kept

    def _pull_messages(self, body: bytes, ask: Any, key: bytes) -> bytes:
        far = ask("pull-messages", body)
        found = PullMessagesResponse.FromString(far.content)
        if not found.messages_list:
            return bytes(far.content)
        (told,), (tree,) = found.messages_list, found.message_object_trees
        node, run = PullMessagesRequest.FromString(body).node, told.metadata.run_id
        contents = {}
        for part in iterate_object_tree(tree):
            wanted = PullObjectRequest(node=node, run_id=run, object_id=part.object_id)
            answer = PullObjectResponse.FromString(
                ask("pull-object", wanted.SerializeToString()).content
            )
            contents[part.object_id] = answer.object_content
        message = inflate_object_from_contents(tree.object_id, contents)
        assert isinstance(message, Message)
        message.content = self._task(message.content)
        self._made |= {k: part.deflate() for k, part in get_all_nested_objects(message).items()}
        self._real[message.object_id] = tree.object_id
        told.metadata.message_id = message.object_id
        tree.CopyFrom(get_object_tree(message))
        return found.SerializeToString()

    def _pull_object(self, body: bytes, ask: Any, key: bytes) -> bytes:
        wanted = PullObjectRequest.FromString(body).object_id
        return PullObjectResponse(
            object_found=True, object_available=True, object_content=self._made[wanted]
        ).SerializeToString()

    def _confirm_message_received(self, body: bytes, ask: Any, key: bytes) -> bytes:
        told = ConfirmMessageReceivedRequest.FromString(body)
        told.message_object_id = self._real.get(told.message_object_id, told.message_object_id)
        return bytes(ask("confirm-message-received", told.SerializeToString()).content)

    def _push_messages(self, body: bytes, ask: Any, key: bytes) -> bytes:
        told = PushMessagesRequest.FromString(body)
        wanted = [part.object_id for part in iterate_object_tree(told.message_object_trees[0])]
        self._pushed[key] = (told, dict.fromkeys(wanted, b""))
        return PushMessagesResponse(objects_to_push=wanted, session_id="s").SerializeToString()

    def _push_object(self, body: bytes, ask: Any, key: bytes) -> bytes:
        part = PushObjectRequest.FromString(body)
        with self._lock:
            told, contents = self._pushed[key]
            contents[part.object_id] = part.object_content
            is_whole = all(contents.values())
        if is_whole:
            self._pass_reply_on(told, dict(contents), ask)
        return PushObjectResponse(stored=True).SerializeToString()

    def _pass_reply_on(
        self, told: PushMessagesRequest, contents: dict[str, bytes], ask: Any
    ) -> None:
        root = told.message_object_trees[0].object_id
        message = inflate_object_from_contents(root, contents)
        assert isinstance(message, Message)
        facts = message.metadata.__dict__
        facts["_reply_to_message_id"] = self._real[message.metadata.reply_to_message_id]
        message.content = self._reply(message.content)
        facts["_message_id"] = message.object_id
        parts = {k: part.deflate() for k, part in get_all_nested_objects(message).items()}
        told.message_object_trees[0].CopyFrom(get_object_tree(message))
        told.messages_list[0].CopyFrom(message_to_proto(remove_content_from_message(message)))
        while (far := ask("push-messages", told.SerializeToString())).status_code == 503:
            time.sleep(0.1)
        answer = PushMessagesResponse.FromString(far.content)
        for name in answer.objects_to_push:
            piece = PushObjectRequest(
                node=told.node, run_id=message.metadata.run_id, object_id=name,
                object_content=parts[name], session_id=answer.session_id,
            )  # fmt: skip
            ask("push-object", piece.SerializeToString())
