"""Only who has signed with an enrolled key is listened to; a stranger's body is not read."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from medfl_server.superlink.asgi import Event, Receive, Scope, Send
from medfl_server.superlink.bell import Bell
from medfl_server.superlink.callers import KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER, Callers
from medfl_server.superlink.listener import OPEN, FleetOnly


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


class Keys:
    def __init__(self, *enrolled: bytes) -> None:
        self.enrolled = enrolled

    def get_node_id_by_public_key(self, public_key: bytes) -> int | None:
        return 7 if public_key in self.enrolled else None


def signed(key: ec.EllipticCurvePrivateKey, time: str) -> dict[bytes, bytes]:
    signature = key.sign(time.encode(), ec.ECDSA(hashes.SHA256()))
    return {
        KEY_HEADER: base64.b64encode(pem(key)),
        SIGNATURE_HEADER: base64.b64encode(signature),
        TIME_HEADER: time.encode(),
    }


def scope(headers: dict[bytes, bytes], path: str = "/v1/fleet/push-object") -> Scope:
    return {"type": "http", "path": path, "client": ("192.0.2.1", 1), "headers": [*headers.items()]}


def test_a_request_is_known_by_an_enrolled_key_and_its_signature_of_now() -> None:
    key, other = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    callers, now = Callers(Keys(pem(key))), datetime.now(UTC)
    good = signed(key, now.isoformat())

    assert callers.knows(scope(good))
    for bad in (
        {},
        dict.fromkeys(good, b""),
        dict.fromkeys(good, b"\xff\xfe"),
        signed(other, now.isoformat()),
        {**good, SIGNATURE_HEADER: signed(other, now.isoformat())[SIGNATURE_HEADER]},
        {**good, TIME_HEADER: (now + timedelta(seconds=1)).isoformat().encode()},
        {**good, TIME_HEADER: b"yesterday"},
        signed(key, (now - timedelta(hours=2)).isoformat()),
        signed(key, now.replace(tzinfo=None).isoformat()),
    ):
        assert not callers.knows(scope(bad)), bad


@pytest.mark.parametrize("path", sorted(OPEN - {"/health"}))
def test_the_body_of_a_stranger_is_not_read(path: str) -> None:
    sent: list[Event] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async def receive() -> Event:
        raise AssertionError

    async def send(event: Event) -> None:
        sent.append(event)

    face = FleetOnly(app, Bell(), knows=Callers(Keys()).knows)
    large = scope({b"content-length": b"16000000"}, path)
    asyncio.run(face(large, receive, send))

    assert sent[0]["status"] == 401
    assert sent[0]["headers"] == [(b"connection", b"close")]
