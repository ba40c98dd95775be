"""The held look for messages, with an ASGI app that keeps its mail in a list."""

import asyncio
import time

from medfl_server.listener import PULL_MESSAGES, Bell, Event, FleetOnly, Receive, Scope, Send

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
