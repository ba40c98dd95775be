"""Nothing that a SuperNode answers, and nobody in its place, ends a hospital's client."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from tests.unit.client.local_supernode import SECRET, LocalSuperNode, place_in, served
from tests.unit.server.hostile import stored

from medfl_client.connection import executor
from medfl_client.connection.meeting_place import MeetingPlace
from medfl_client.connection.supernode import Event, Receive, Send, proving
from medfl_common.errors import ConfigError
from medfl_common.ui.screen import Screen
from medfl_sim.local.deployment import wait_until

ANSWER_S = 30.0


class StoppedError(BaseException):
    """Ends an executor, as Ctrl-C does."""


class Client:
    """An executor in a thread of this process, what it said, and the tasks that it worked on."""

    def __init__(self, place: MeetingPlace, work: Callable[[], object] = int) -> None:
        self.said: list[str] = []
        self.renewed: list[str] = []
        self.n_tasks = 0
        self._is_over = False
        self._place = place
        self._work = work
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        app = ClientApp()

        @app.train()
        def train(message: Message, context: Context) -> Message:
            self.n_tasks += 1
            self._work()
            return Message(RecordDict(), reply_to=message)

        with suppress(StoppedError):
            executor.serve(app, self._place, self._is_open, self.said.append, self.renewed.append)

    def _is_open(self) -> bool:
        if self._is_over:
            raise StoppedError
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        yield
        assert self._thread.is_alive(), "the executor has ended"
        self._is_over = True
        self._thread.join(ANSWER_S)


@pytest.fixture(autouse=True)
def no_interrupts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Beat often, and notice what sends this process a signal."""
    monkeypatch.setattr(executor, "BEAT_S", 0.02)
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGINT, before)
    assert not seen, "the process interrupted itself"


def test_a_task_that_the_supernode_forgot_ends_nothing_and_the_next_is_answered(
    tmp_path: Path,
) -> None:
    supernode, place = LocalSuperNode(), place_in(tmp_path)

    def work() -> None:
        if client.n_tasks == 1:
            supernode.forget()
            time.sleep(0.3)  # some heartbeats for a task that nobody knows

    client = Client(place, work)
    supernode.give()

    with served(supernode.app, place), client.running():
        wait_until(lambda: bool(client.said), ANSWER_S, "a line")
        supernode.give()
        wait_until(lambda: supernode.n_replies() == 1, ANSWER_S, "the second answer")

    assert client.said == [
        "the connection ended meanwhile; the answer is kept for when it is asked for again"
    ]
    assert client.renewed == []  # the SuperNode that is there waits for nothing


def test_a_message_that_cannot_be_fetched_has_the_connection_made_anew(tmp_path: Path) -> None:
    supernode, place = LocalSuperNode(), place_in(tmp_path)
    client = Client(place)
    supernode.give(is_whole=False)

    with served(supernode.app, place), client.running():
        wait_until(lambda: bool(client.renewed), ANSWER_S, "the end of the wait")
        supernode.forget()
        supernode.give()
        wait_until(lambda: supernode.n_replies() == 1, ANSWER_S, "the next answer")

    assert client.renewed == ["the connection lost a message; connecting again to send it again"]


ZEROS = stored("ArrayChunk", [], bytes(2**20))
HUGE = stored("Array", [ZEROS[0]], b'{"arraychunk_ids": [' + b"0," * 2**20 + b"0]}")
RECORD = stored("ArrayRecord", [HUGE[0]], f'{{"flat": "{HUGE[0]}"}}'.encode())
RECORDS = stored("RecordDict", [RECORD[0]], f'{{"weights": "{RECORD[0]}"}}'.encode())
TERABYTE = [ZEROS, HUGE, RECORD, RECORDS, stored("Message", [RECORDS[0]], b"")]


@pytest.mark.parametrize(
    "objects",
    [[stored("Message", [], b"\xff" * 40)], [stored("RecordDict", [], b"{}")], TERABYTE],
    ids=["garbage", "no message", "a terabyte in 3 MB"],
)
def test_no_message_of_a_coordinator_ends_the_client(
    objects: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    supernode, place = LocalSuperNode(), place_in(tmp_path)
    client = Client(place)
    supernode.give()
    supernode.spoil(dict(objects))

    with served(supernode.app, place), client.running():
        wait_until(lambda: bool(client.renewed), ANSWER_S, "the end of the wait")
        supernode.forget()
        supernode.give()
        wait_until(lambda: supernode.n_replies() == 1, ANSWER_S, "the next answer")

    assert client.n_tasks == 1


def test_a_heartbeat_that_connects_while_its_task_fails_leaves_no_socket_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supernode, place = LocalSuperNode(), place_in(tmp_path)
    client = Client(place)
    supernode.give()
    supernode.spoil(dict([stored("Message", [], b"\xff" * 40)]))
    opened: list[socket.socket] = []

    class Slow(socket.socket):
        def connect(self, address: object) -> None:
            if threading.current_thread().name == "heartbeats":
                opened.append(self)
                wait_until(lambda: bool(client.renewed), ANSWER_S, "the task's end")
            super().connect(address)  # type: ignore[arg-type]

    async def patient(scope: Event, receive: Receive, send: Send) -> None:
        while scope["path"].endswith("/PullObject") and not opened:
            await asyncio.sleep(0.01)
        await supernode.app(scope, receive, send)

    monkeypatch.setattr(socket, "socket", Slow)
    monkeypatch.setattr(executor, "BEAT_S", 0.0)

    with served(patient, place), client.running():
        wait_until(lambda: bool(client.renewed), ANSWER_S, "the task's end")
        wait_until(lambda: all(one.fileno() < 0 for one in opened), ANSWER_S, "closed sockets")


@pytest.mark.parametrize("status", [200, 307, 401, 403, 418, 500, 503])
def test_no_answer_of_a_supernode_ends_the_client(tmp_path: Path, status: int) -> None:
    supernode, place = LocalSuperNode(), place_in(tmp_path)
    n_seen = 0

    async def odd(scope: Event, receive: Receive, send: Send) -> None:
        nonlocal n_seen
        n_seen += 1
        head = {"type": "http.response.start", "status": status, "headers": []}
        await send({**head, "headers": [(b"location", b"http://other/")]})
        await send({"type": "http.response.body", "body": b"\xff\xff no message"})

    client = Client(place)

    with served(proving(odd, SECRET), place), client.running():
        wait_until(lambda: n_seen > 3, ANSWER_S, "some tries")
    assert supernode.n_replies() == client.n_tasks == 0


def test_a_program_in_the_supernodes_place_gets_nothing_and_gives_no_work(tmp_path: Path) -> None:
    supernode, place = LocalSuperNode(), place_in(tmp_path)
    seen: list[bytes] = []

    async def stranger(scope: Event, receive: Receive, send: Send) -> None:
        """Knows all but the secret: answers as a SuperNode, without or with a wrong proof."""
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"medfl-nonce"]
        event = await receive()
        seen.append(repr(scope).encode() + event.get("body", b""))
        body = event.get("body", b"")
        await supernode.app(scope, lambda: given(body), send)

    client = Client(place)
    supernode.give()

    with served(stranger, place), client.running():
        wait_until(lambda: len(client.renewed) > 2, ANSWER_S, "some tries")

    assert client.n_tasks == supernode.n_replies() == 0
    assert "another program answers in the place of this client's SuperNode" in client.renewed[0]
    assert not any(SECRET in text or SECRET.hex().encode() in text for text in seen)


async def given(body: bytes) -> Event:
    return {"type": "http.request", "body": body, "more_body": False}


def test_the_place_is_a_socket_in_a_folder_of_this_user_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    folder = tmp_path / "executor"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)

    place = place_in(tmp_path)

    assert Path(place.path) == folder / "socket"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_place_with_a_long_path_works_and_one_that_is_taken_is_named(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 20) / ("name" * 20)
    supernode, place = LocalSuperNode(), place_in(deep)
    client = Client(place)
    supernode.give()
    with served(supernode.app, place), client.running():
        wait_until(lambda: supernode.n_replies() == 1, ANSWER_S, "an answer")

    (tmp_path / "executor").mkdir()
    (tmp_path / "executor" / "socket").write_text("not ours")
    with pytest.raises(ConfigError, match="is taken by something that medfl did not make"):
        place_in(tmp_path)


def test_a_screen_that_is_gone_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    gone, there = os.pipe()
    with open(there, "w", buffering=1) as pipe:
        os.close(gone)
        monkeypatch.setattr("sys.stdout", pipe)
        for _ in range(3):
            Screen(outlived=True).say("a line that nobody reads")
