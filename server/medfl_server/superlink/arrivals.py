"""Replies on their way in: one of each hospital, memory for a few, and none that stands still.

A hospital announces a reply with the ids of its parts, then sends the parts. Flower takes whatever
it announces, from whomever and as often as it likes, and waits for it; here an announcement has the
form of a reply of this hospital's own, its place counts while parts come, and it is dropped when
they do not. The coordinator then asks again.
"""

import base64
import re
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from medfl_common.wire.objects import parts_of

SENDER: ContextVar[bytes] = ContextVar("sender", default=b"")  # key of who sends the request
MAX_ARRIVING = 3  # replies in memory, arriving or waiting to be read
MAX_SLOW = 8  # further ones that stand still or creep
STALLED_S = 10.0  # without a byte: a reply's place is free for another
SLOW_AFTER_S, SLOW_RATE = 20.0, 64_000  # so slow, in bytes a second: the same
DROPPED_S = 120.0  # without a byte: the reply is dropped; 5 MiB at 0.4 Mbit/s
MAX_DEPTH = 5  # of a tree of parts: message, records, record, array, piece
MAX_PARTS = 100_000
IDENTIFIER = re.compile(r"[0-9a-f]{64}")
Announced = tuple[bool, list[str]]  # as Flower answers: taken, the parts to send


@dataclass
class Upload:
    """A reply that a hospital has announced."""

    message: str
    asked: str  # what it answers
    session: str
    began: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    n_bytes: int = 0

    def is_slow(self, now: float) -> bool:
        """Say whether it stands still or creeps."""
        age = now - self.began
        creeps = age > SLOW_AFTER_S and self.n_bytes < SLOW_RATE * age
        return creeps or now - self.seen > STALLED_S


class Arrivals:
    """The replies that the hospitals of a SuperLink announce.

    Args:
        state: Flower's records, whose way to take an announcement becomes `announce`.
    """

    def __init__(self, state: Any) -> None:
        self._state = state
        self._take: Callable[[Any, Any, str], Announced] = state.store_message_and_object_tree
        self._lock = threading.RLock()
        self._by_key: dict[bytes, Upload] = {}
        self._dropped: set[str] = set()  # what they answered
        self._store: Callable[..., bool] = state.store_object
        state.store_message_and_object_tree, state.store_object = self.announce, self.store

    def has_room(self) -> bool:
        """Say whether one more reply may come; those that stand still do not count."""
        with self._lock:
            self._drop_stalled()
            now, replies = time.monotonic(), set(self._state.message_res_store)
            slow = {u.message for u in self._open() if u.is_slow(now)} & replies
            n = len(replies)
            return n - len(slow) < MAX_ARRIVING and n < MAX_ARRIVING + MAX_SLOW

    def note(self, key: bytes, n_bytes: int) -> None:
        """Note that bytes of a hospital's reply have come."""
        upload = self._by_key.get(key)
        if upload is not None:
            upload.seen, upload.n_bytes = time.monotonic(), upload.n_bytes + n_bytes

    def is_dropped(self, asked: str) -> bool:
        """Say, once, whether the reply to a message came to a halt and was dropped."""
        with self._lock:
            self._drop_stalled()
            if asked not in self._dropped:
                return False
            self._dropped.remove(asked)
            return True

    def announce(self, message: Any, tree: Any, session: str) -> Announced:
        """Take an announcement: ours of a task, or a hospital's of a reply of its own."""
        key = SENDER.get()
        if not key:
            return self._take(message, tree, session)
        with self._lock:
            if not self._is_of(key, message):
                return False, []
            if not self._is_plain(tree, message.metadata.message_id):
                return False, []
            before = self._by_key.get(key)
            if before is not None and before.message != tree.object_id:
                self._drop(before)
            taken, parts = self._take(message, tree, session)
            if taken:
                asked = message.metadata.reply_to_message_id
                self._by_key[key] = Upload(tree.object_id, asked, session)
            return taken, parts

    def store(self, run: int, session: str, name: str, content: bytes) -> bool:
        """Take a part of the sender's reply; the reply is dropped if the part names other ones."""
        upload, entry = self._by_key.get(SENDER.get()), self._state.object_store.store.get(name)
        if SENDER.get():
            below = [*dict.fromkeys(parts_of(content)[1])]
            if upload is None or upload.session != session or entry is None:
                return False
            if [*dict.fromkeys(entry.child_object_ids)] != below:
                with self._lock:
                    self._drop(upload)
                return False
        return self._store(run, session, name, content)

    def _is_of(self, key: bytes, message: Any) -> bool:
        """Say whether a message is a reply, and of the hospital whose key is on the request."""
        node = self._state.get_node_id_by_public_key(base64.b64decode(key))
        facts = message.metadata
        return bool(facts.reply_to_message_id) and facts.src_node_id == node

    def _is_plain(self, tree: Any, root: str) -> bool:
        """Say whether a tree is a message's, of new parts or such as they are known already.

        Flower keeps the parts of an id as they were announced first: a tree of known ids may be
        another than it looks, without end when it is written out.
        """
        if tree.object_id != root:
            return False
        level, n_parts, known = [tree], 0, self._state.object_store.store
        for _ in range(MAX_DEPTH):
            n_parts += len(level)
            for node in level:
                below = [one.object_id for one in node.children]
                if not IDENTIFIER.fullmatch(node.object_id):
                    return False
                self._drop_liars(node.object_id, below)
                entry = known.get(node.object_id)
                if entry is not None and entry.child_object_ids != below:
                    return False
            level = [child for node in level for child in node.children]
            if n_parts + len(level) > MAX_PARTS:
                return False
        return not level

    def _drop_liars(self, name: str, below: list[str]) -> None:
        """Drop replies that announced a part, not sent yet, as another than this one."""
        entry = self._state.object_store.store.get(name)
        if entry is not None and not entry.is_available and entry.child_object_ids != below:
            for upload in self._open():
                if name in self._state._object_push_sessions[upload.session].pending_object_ids:
                    self._drop(upload)

    def _open(self) -> list[Upload]:
        """List what is still arriving."""
        return [u for u in self._by_key.values() if u.session in self._state._object_push_sessions]

    def _drop_stalled(self) -> None:
        now = time.monotonic()
        for upload in self._open():
            if now - upload.seen > DROPPED_S:
                self._drop(upload)

    def _drop(self, upload: Upload) -> None:
        """Forget a reply that is not whole, and its parts."""
        if upload.session in self._state._object_push_sessions:
            self._state._cleanup_push_session(upload.session, cleanup_messages=True)
            self._dropped.add(upload.asked)
