"""Who sends a request, by its headers alone, so that no stranger's body is read."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from medfl_server.superlink.asgi import Scope, header

KEY_HEADER = b"flwr-public-key"  # Flower's headers: the sender's key, the time, its signature
TIME_HEADER, SIGNATURE_HEADER = b"flwr-timestamp", b"flwr-signature"
WINDOW_S = 3600.0  # the time may be off by so much here; Flower itself allows some seconds


class Keys(Protocol):
    """Flower's records of the keys that are enrolled."""

    def get_node_id_by_public_key(self, public_key: bytes) -> int | None:
        """Return the node of a key."""


class Callers:
    """Tells the hospitals of the roster from strangers.

    Args:
        keys: The enrolled ones; they may change meanwhile.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def knows(self, scope: Scope) -> bool:
        """Say whether an enrolled key has signed a request's time."""
        try:
            pem = base64.b64decode(header(scope, KEY_HEADER), validate=True)
            if not pem or self._keys.get_node_id_by_public_key(pem) is None:
                return False
            time = header(scope, TIME_HEADER)
            age = datetime.now(UTC) - datetime.fromisoformat(time.decode("ascii"))
            signature = base64.b64decode(header(scope, SIGNATURE_HEADER), validate=True)
            key = load_pem_public_key(pem)
            if abs(age.total_seconds()) > WINDOW_S or not isinstance(
                key, ec.EllipticCurvePublicKey
            ):
                return False
            key.verify(signature, time, ec.ECDSA(hashes.SHA256()))
        except (ValueError, TypeError, binascii.Error, InvalidSignature):
            return False
        return True
