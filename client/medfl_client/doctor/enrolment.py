"""Whether the coordinator knows this site's keys: a signed GET /health asks, and enters nothing.

It is signed as Flower signs a request: the time, with identity.key.
"""

import re
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)

from medfl_client.config.folder import PRIVATE, home_of
from medfl_client.config.identity import public_lines
from medfl_common.errors import MedflError
from medfl_common.ops.checks import Finding, fail, not_checked, ok
from medfl_common.plan.settings import NAME
from medfl_common.wire.keys import fingerprint

LINES = (
    "after medfl-client join, ask the coordinator for `medfl-server admit`; else send it these "
    "lines, for `medfl-server enrol`: {}"
)


def signed_headers(folder: Path) -> dict[str, str]:
    """Sign the present time; without keys that are safe to use, nothing."""
    try:
        public_lines(folder)
        key = load_ssh_private_key((home_of(folder) / PRIVATE).read_bytes(), password=None)
    except (MedflError, OSError, ValueError):
        return {}  # a check of their own says so
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return {}
    now = datetime.now(UTC).isoformat()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = key.sign(now.encode(), ec.ECDSA(hashes.SHA256()))
    return {
        "flwr-public-key": b64encode(pem).decode(),
        "flwr-timestamp": now,
        "flwr-signature": b64encode(signature).decode(),
    }


def check_enrolment(folder: Path, told: str | None) -> Finding:
    """Read the coordinator's answer: name and fingerprint, empty for keys that it does not know."""
    name, _, shown = (told or "").partition(" ")
    if told is None or not re.fullmatch(f"({NAME})?", name):
        return unknown()
    lines = public_lines(folder)
    if not name:
        return fail("the coordinator does not know these keys", LINES.format(" ; ".join(lines)))
    if shown != fingerprint(lines):
        return fail(
            f"the coordinator has another signing key for {name}; it would refuse every reply",
            LINES.format(" ; ".join(lines)),
        )
    return ok(f"enrolled as {name}")


def unknown() -> Finding:
    """Say that nobody could be asked."""
    return not_checked(
        "whether the coordinator knows this site's keys",
        "start medfl-client run; it reports this within seconds",
        "you",
    )
