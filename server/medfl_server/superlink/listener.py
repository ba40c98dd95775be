"""The public face of the SuperLink: TLS, the hospitals' API and health; nothing else."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medfl_common.wire.joining import PATH as JOIN
from medfl_common.wire.protocol import ENROLLED_HEADER, PROTOCOL, PROTOCOL_HEADER
from medfl_server.superlink.arrivals import SENDER
from medfl_server.superlink.asgi import (
    Asgi,
    Event,
    Receive,
    Scope,
    Send,
    TooLargeError,
    address,
    announced_bytes,
    answer,
    arrived,
    bounded,
    counted,
    drained,
    given,
    header,
    read_body,
)
from medfl_server.superlink.bell import Bell, first_of
from medfl_server.superlink.callers import KEY_HEADER
from medfl_server.superlink.duplicate_clients import Doubles
from medfl_server.superlink.limits import (
    BODY_S,
    MAX_BODY,
    MAX_GIVING,
    MAX_REPLY,
    MAX_REQUEST,
    MAX_TAKING,
    MAX_TURNS_OF_KEY,
    REQUEST_S,
    TURN_S,
    Allowance,
    Meter,
    Turns,
)
from medfl_server.superlink.port import connection_of

HTTP_OK = 200
REFUSED = (401, 403)
# The listener holds an empty poll this long: what closes idle connections on the way often does so
# after 15 s.
HOLD_S = 10.0
PULL_MESSAGES = "/v1/fleet/pull-messages"
PUSH_MESSAGES = "/v1/fleet/push-messages"
PULL_OBJECT = "/v1/fleet/pull-object"
PUSH_OBJECT = "/v1/fleet/push-object"
# What a SuperNode with an enrolled key asks for, and how a hospital joins; nothing else is served.
OPEN = {
    "/health",
    JOIN,
    *(
        f"/v1/fleet/{name}"
        for name in (
            "activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages",
            "push-messages", "get-run", "get-fab", "push-object", "pull-object",
            "confirm-message-received",
        )
    ),
}  # fmt: skip
# Whose small request is read although no enrolled key has signed it.
FOR_STRANGERS = ("/v1/fleet/activate-node", JOIN)
SMALL = 4096  # bytes of a request of a key that is not enrolled
ROOM_S = 0.1  # between checks for room


@dataclass(frozen=True)
class Listener:
    """Where hospitals connect: an address with TLS."""

    host: str
    port: int
    certificate: Path
    key: Path
    max_reply: int = MAX_REPLY  # bytes of the largest allowed reply


class FleetOnly:
    """The public face of the SuperLink: the fleet API and health, nothing else.

    The listener holds a poll that finds no message until there is one, so that the SuperNode does
    not sleep its 3 seconds between polls.

    Args:
        app: Flower's SuperLink.
        bell: Rings when a message is out.
        has_room: Says whether there is room for one more reply.
        knows: Says of a request's headers whether an enrolled key has signed them.
        note: Takes a key and the bytes of its reply that have come.
        name_of: Names the site of an enrolled key.
        tell_double: Takes the public key that two clients use at once.
        max_reply: Bytes of the largest allowed reply.
    """

    def __init__(
        self,
        app: Asgi,
        bell: Bell,
        has_room: Callable[[], bool] = lambda: True,
        tell_double: Callable[[bytes], None] = lambda key: None,
        max_reply: int = MAX_REPLY,
        knows: Callable[[Scope], bool] = lambda scope: True,
        note: Callable[[bytes, int], None] = lambda key, n_bytes: None,
        name_of: Callable[[bytes], str] = lambda key: "",
    ) -> None:
        self._app = app
        self._bell = bell
        self._has_room = has_room
        self._n_entering = 0
        self._giving = Turns(MAX_GIVING, MAX_TURNS_OF_KEY, TURN_S)
        self._taking = Turns(MAX_TAKING, MAX_TURNS_OF_KEY, TURN_S)
        self._knows, self._note, self._name_of = knows, note, name_of
        self._meter = Meter()
        self._doubles = Doubles(tell_double)
        self._allowance = Allowance(max_reply)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 404, or 503 above the limits."""
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            return
        elif path not in OPEN:
            await answer(send, 404)
        elif not self._meter.is_allowed(address(scope), header(scope, KEY_HEADER)):
            await answer(send, 503)
        elif self._is_too_large(path, scope):
            await answer(send, 413)
        elif not self._may_speak(path, scope):
            self._meter.note_refused(address(scope))
            await answer(send, 401, is_last=True)
        else:
            seconds = BODY_S if path == PUSH_OBJECT else REQUEST_S
            most = MAX_BODY if path in (PUSH_OBJECT, PUSH_MESSAGES) else MAX_REQUEST
            within = bounded(receive, seconds, most)
            await self._pass_on(path, scope, within, self._watched(path, scope, send))

    def _may_speak(self, path: str, scope: Scope) -> bool:
        """Say whether a request's body may be read: an enrolled hospital's, or a small one."""
        if path == "/health":
            return True
        # who asks to be let in is told by Flower that it is not enrolled
        if not self._knows(scope):
            return path in FOR_STRANGERS and 0 < announced_bytes(scope) <= SMALL
        connection = connection_of(scope)
        if connection is not None:
            connection.door.enter(connection, header(scope, KEY_HEADER))
        return True

    def _is_too_large(self, path: str, scope: Scope) -> bool:
        n_bytes, key = announced_bytes(scope), header(scope, KEY_HEADER)
        if path == PUSH_OBJECT and not header(scope, b"content-length"):
            return True  # Flower always says how much it sends
        is_over = path == PUSH_OBJECT and not self._allowance.is_enough(key, n_bytes)
        return is_over or n_bytes > MAX_BODY

    async def _pass_on(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; read its body first if few may run at once."""
        key = header(scope, KEY_HEADER)
        try:
            if path == PULL_MESSAGES:
                await self._hold(scope, receive, send)
            elif path == PUSH_MESSAGES:
                SENDER.set(key)
                await self._let_in(scope, await arrived(receive), send)
            elif path == PULL_OBJECT:
                body = await arrived(receive)
                async with self._giving.turn(key):
                    await self._give(scope, body, drained(send))
            elif path == PUSH_OBJECT:
                SENDER.set(key)
                noted = counted(receive, lambda n_bytes: self._note(key, n_bytes))
                async with self._taking.turn(key):
                    await self._app(scope, noted, send)
            else:
                await self._app(scope, receive, send)
        except TooLargeError:
            await answer(send, 413)
        except TimeoutError:
            await answer(send, 503)
        except Exception:  # what a request holds is no fault of ours: Flower has answered it
            self._meter.note_refused(address(scope))

    async def _give(self, scope: Scope, body: Receive, send: Send) -> None:
        """Give a part of a task; who does not take it in time is hung up on."""
        try:
            await asyncio.wait_for(self._app(scope, body, send), BODY_S)
        except TimeoutError:
            connection = connection_of(scope)
            if connection is not None:
                connection.hang_up()

    def _watched(self, path: str, scope: Scope, send: Send) -> Send:
        """Count refused and accepted requests; name the protocol in health."""

        async def told(event: Event) -> None:
            if event["type"] == "http.response.start":
                if path == "/health":
                    event = {**event, "headers": [*event.get("headers", ()), *self._told(scope)]}
                elif event["status"] == HTTP_OK and path != JOIN:  # which is signed otherwise
                    self._note_let_in(path, scope)
                elif event["status"] in REFUSED:
                    self._meter.note_refused(address(scope))
            await send(event)

        return told

    def _told(self, scope: Scope) -> Iterator[tuple[bytes, bytes]]:
        """Name the protocol, and to who has signed the request how he is enrolled."""
        yield PROTOCOL_HEADER.encode(), str(PROTOCOL).encode()
        if key := header(scope, KEY_HEADER):
            yield ENROLLED_HEADER.encode(), (self._name_of(key) * self._knows(scope)).encode()

    def _note_let_in(self, path: str, scope: Scope) -> None:
        key = header(scope, KEY_HEADER)
        self._meter.note_known(key)
        if path == PUSH_MESSAGES:
            self._allowance.begin(key)
        elif path == PUSH_OBJECT:
            self._allowance.take(key, announced_bytes(scope))

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a reply if there is room for it, or have the site try again later."""
        ends = time.monotonic() + HOLD_S
        while not self._has_room() or self._n_entering:
            if time.monotonic() > ends:
                await answer(send, 503)
                return
            await asyncio.sleep(ROOM_S)
        self._n_entering += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._n_entering -= 1

    async def _hold(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a poll when there is a message, at the latest after HOLD_S."""
        body, key = await read_body(receive), header(scope, KEY_HEADER)
        is_known = False
        gone = asyncio.ensure_future(receive())  # ends when the hospital hangs up
        ends = time.monotonic() + HOLD_S
        try:
            while not gone.done():  # a message taken for a closed connection would be lost
                rung = self._bell.listen()
                events = await self._ask(scope, body)
                is_let_in = events[0]["status"] == HTTP_OK
                found = not is_let_in or any(e.get("body") for e in events[1:])
                if is_let_in and not is_known:
                    is_known = True
                    self._doubles.begin(key)
                left = ends - time.monotonic()
                if found or left <= 0 or self._bell.is_closed:
                    for event in events:
                        await send(event)
                    return
                await first_of(rung, gone, left)
        finally:
            if is_known:
                self._doubles.end(key)
            gone.cancel()

    async def _ask(self, scope: Scope, body: bytes) -> list[Event]:
        """Pass the request to the SuperLink and keep its answer."""
        events: list[Event] = []

        async def send(event: Event) -> None:
            events.append(event)

        await self._app(dict(scope), given(body), send)
        return events
