"""The held look for messages, with an ASGI app that keeps its mail in a list."""

import asyncio
import time

import pytest

from medfl_server.superlink import listener
from medfl_server.superlink.asgi import Event, Receive, Scope, Send
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.callers import KEY_HEADER
from medfl_server.superlink.duplicate_clients import Doubles
from medfl_server.superlink.listener import (
    PULL_MESSAGES,
    PULL_OBJECT,
    PUSH_MESSAGES,
    PUSH_OBJECT,
    FleetOnly,
)

SCOPE = {"type": "http", "path": PULL_MESSAGES}


class Mailbox:
    """Gives out the first message, once."""

    def __init__(self, bell: Bell) -> None:
        self.mail: list[bytes] = []
        self.n_looks = 0
        self.on_look = lambda: None
        self.face = FleetOnly(self, bell)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.n_looks += 1
        found = self.mail.pop(0) if self.mail else b""
        self.on_look()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": found})


class Hospital:
    """One request; `hang_up` ends its connection."""

    def __init__(self) -> None:
        self.sent: list[Event] = []
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.events.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def ask(self, face: FleetOnly) -> bytes:
        async def send(event: Event) -> None:
            self.sent.append(event)

        await face(dict(SCOPE), self.events.get, send)
        return b"".join(event.get("body", b"") for event in self.sent)

    def hang_up(self) -> None:
        self.events.put_nowait({"type": "http.disconnect"})


def test_a_message_put_out_while_a_look_is_on_its_way_is_not_missed() -> None:
    async def scenario() -> tuple[bytes, float]:
        bell = Bell()
        box = Mailbox(bell)

        def put() -> None:
            if box.n_looks == 1:  # after this look found nothing, before it waits
                box.mail.append(b"task")
                bell.ring()

        box.on_look = put
        started = time.monotonic()
        return await Hospital().ask(box.face), time.monotonic() - started

    found, seconds = asyncio.run(scenario())

    assert found == b"task"
    assert seconds < 5


def test_no_message_is_taken_for_a_hospital_that_has_hung_up() -> None:
    async def scenario() -> tuple[list[bytes], list[Event]]:
        bell = Bell()
        box, hospital = Mailbox(bell), Hospital()
        request = asyncio.create_task(hospital.ask(box.face))
        await asyncio.sleep(0.05)
        hospital.hang_up()
        await asyncio.sleep(0.05)
        box.mail.append(b"task")
        bell.ring()
        await request
        return box.mail, hospital.sent

    mail, sent = asyncio.run(scenario())

    assert mail == [b"task"]
    assert sent == []


def test_a_closing_server_lets_held_hospitals_go() -> None:
    async def scenario() -> bytes:
        bell = Bell()
        box, hospital = Mailbox(bell), Hospital()
        request = asyncio.create_task(hospital.ask(box.face))
        await asyncio.sleep(0.05)
        bell.close()
        return await asyncio.wait_for(request, 2)

    assert asyncio.run(scenario()) == b""


class Echo:
    """Reads the whole body, and answers with a status."""

    def __init__(self, status: int = 200) -> None:
        self.status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(
    face: FleetOnly,
    path: str,
    n_pieces: int = 1,
    piece: bytes = b"",
    headers: dict[bytes, bytes] | None = None,
) -> int:
    """Send a request without a content-length in pieces; give the status."""
    sent: list[Event] = []
    left = iter(range(n_pieces, 0, -1))

    async def receive() -> Event:
        return {"type": "http.request", "body": piece, "more_body": next(left) > 1}

    async def send(event: Event) -> None:
        sent.append(event)

    scope = {"type": "http", "path": path, "client": ("192.0.2.1", 1)}
    await face({**scope, "headers": [*(headers or {}).items()]}, receive, send)
    return int(sent[0]["status"])


def test_a_body_without_end_is_not_taken_in() -> None:
    face = FleetOnly(Echo(), Bell())
    large, small = PUSH_MESSAGES, "/v1/fleet/get-run"

    assert asyncio.run(ask(face, PUSH_OBJECT)) == 413  # it does not say how much comes
    assert asyncio.run(ask(face, large, n_pieces=16, piece=b"x" * 2**20)) == 200
    assert asyncio.run(ask(face, large, n_pieces=10**9, piece=b"x" * 2**20)) == 413
    assert asyncio.run(ask(face, small, n_pieces=4, piece=b"x" * 2**14)) == 200
    assert asyncio.run(ask(face, small, n_pieces=10**9, piece=b"x" * 2**14)) == 413


def test_who_is_refused_again_and_again_is_put_off_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusing, path = FleetOnly(Echo(401), Bell()), "/v1/fleet/get-run"
    serving = FleetOnly(Echo(), Bell())

    async def often(face: FleetOnly) -> list[int]:
        return [await ask(face, path) for _ in range(500)]

    strangers, sites = asyncio.run(often(refusing)), asyncio.run(often(serving))

    refusing._app = Echo()  # now with a key of the roster, from the same address
    known = {KEY_HEADER: b"north"}
    assert asyncio.run(ask(refusing, path, headers=known)) == 503
    refusing._meter.note_known(b"north")
    assert asyncio.run(ask(refusing, path, headers=known)) == 200
    assert strangers[0] == 401
    assert strangers[-1] == 503  # what Flower's client tries again after
    assert set(sites) == {200}


def test_a_reply_is_let_in_when_there_is_room_and_else_put_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "HOLD_S", 0.3)
    free = {"room": 0}
    face = FleetOnly(Echo(), Bell(), has_room=lambda: free["room"] > 0)

    async def scenario() -> tuple[int, int]:
        put_off = await ask(face, PUSH_MESSAGES)
        waiting = asyncio.create_task(ask(face, PUSH_MESSAGES))
        await asyncio.sleep(0.05)
        free["room"] = 1
        return put_off, await waiting

    assert asyncio.run(scenario()) == (503, 200)


def test_a_stranger_whose_body_never_comes_holds_nobody_up() -> None:
    face = FleetOnly(Echo(), Bell())

    async def never() -> Event:
        await asyncio.sleep(60)
        raise AssertionError

    async def nowhere(event: Event) -> None:
        return None

    async def scenario(path: str) -> int:
        scope = {"type": "http", "path": path, "client": ("192.0.2.9", 1)}
        strangers = [asyncio.create_task(face(dict(scope), never, nowhere)) for _ in range(20)]
        await asyncio.sleep(0.05)
        status = await asyncio.wait_for(ask(face, path), 2)
        for stranger in strangers:
            stranger.cancel()
        return status

    for path in (PUSH_MESSAGES, PULL_OBJECT):
        assert asyncio.run(scenario(path)) == 200


def test_who_is_not_let_in_is_no_second_program() -> None:
    told: list[bytes] = []
    face = FleetOnly(Echo(401), Bell(), tell_double=told.append)

    async def scenario() -> None:
        looks = [ask(face, PULL_MESSAGES, headers={KEY_HEADER: b"north"}) for _ in range(10)]
        await asyncio.gather(*looks)

    asyncio.run(scenario())

    assert told == []


def test_a_reply_larger_than_any_of_the_plan_is_cut_short() -> None:
    face = FleetOnly(Echo(), Bell(), max_reply=3 * 2**20)
    key = {KEY_HEADER: b"north"}

    async def push() -> int:
        size = {**key, b"content-length": b"%d" % 2**20}
        return await ask(face, PUSH_OBJECT, piece=b"x" * 2**20, headers=size)

    async def scenario() -> list[int]:
        first = [await push() for _ in range(5)]
        await ask(face, PUSH_MESSAGES, headers=key)  # the next reply begins
        return [*first, await push()]

    assert asyncio.run(scenario()) == [200, 200, 200, 413, 413, 200]


def test_two_programs_with_one_key_are_told_of_once_and_a_restart_is_not() -> None:
    told: list[bytes] = []
    doubles = Doubles(told.append)
    for _ in range(5):  # started again five times, each after the other has ended
        doubles.begin(b"north")
        doubles.end(b"north")
    doubles.begin(b"south")
    assert told == []

    for _ in range(5):
        doubles.begin(b"south")
        doubles.end(b"south")

    assert told == [b"south"]
