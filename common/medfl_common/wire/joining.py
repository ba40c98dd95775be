"""How a hospital asks to join: one request under the invitation's code, signed with both its keys.

The signatures show that the sender has the private halves, and bind the request to this code, this
name and this study's authority. So a code serves one pair of keys: the same request again gets the
same answer, and other keys under a used code get none.
"""

import base64
import hashlib
import json
from typing import Annotated, Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from pydantic import Field

from medfl_common.errors import ConfigError, LinkError, Who
from medfl_common.plan.settings import Matching, Name, Settings, check
from medfl_common.plan.strict_json import parse_json

PATH = "/medfl/join"
CODE = r"[A-Za-z0-9_-]{43}"  # of an invitation: 256 random bits
CURVE = "secp384r1"
MAX_BYTES = 4096  # of a request or an answer; a request has about 1,000

Word = Annotated[str, Field(max_length=512)]
Why = Literal["", "unreadable", "unknown", "ended", "withdrawn", "used", "keys", "revoked"]


class JoinRequest(Settings):
    """Asks to join."""

    join: Literal[1]
    """The version of this format."""
    code: Annotated[str, Matching(CODE, "the code of an invitation")]
    """The invitation's code."""
    site: Name
    """The hospital's name, as in the invitation."""
    transport: Word
    """OpenSSH line of the P-384 key."""
    signing: Word
    """OpenSSH line of the Ed25519 key."""
    transport_signature: Word
    """Base64, of the statement."""
    signing_signature: Word
    """Base64, of the statement."""

    @property
    def keys(self) -> tuple[str, str]:
        """Give both public keys."""
        return self.transport, self.signing


class JoinAnswer(Settings):
    """What the coordinator says."""

    join: Literal[1] = 1
    """The version of this format."""
    state: Literal["asked", "enrolled", "refused"]
    """Waits for a person, has its place, or neither."""
    why: Why = ""
    """Why it is refused."""


# Why a request is refused -> what the hospital reads, who acts, what to do.
REFUSALS: dict[Why, tuple[str, Who, str]] = {
    "unreadable": (
        "the coordinator could not read the request",
        "you",
        "agree on one version of medfl with the coordinator",
    ),
    "unknown": (
        "the coordinator does not know this invitation",
        "the coordinator",
        "send a new invitation: this one is of another study, or was changed on its way",
    ),
    "ended": (
        "this invitation has ended",
        "the coordinator",
        "send a new invitation (medfl-server invite)",
    ),
    "withdrawn": (
        "the coordinator has withdrawn this invitation, or sent a newer one",
        "the coordinator",
        "say which invitation counts, or send a new one",
    ),
    "used": (
        "this invitation was used with other keys than those here",
        "you",
        "join with the directory that was used first. If nobody at your hospital has used it, "
        "somebody has copied the file: tell the coordinator by telephone at once",
    ),
    "keys": (
        "the coordinator does not take these keys: they are damaged, or have another name",
        "you",
        "run medfl-client doctor, or join with a new directory and a new invitation",
    ),
    "revoked": (
        "the coordinator has revoked these keys",
        "the coordinator",
        "send a new invitation, for new keys (medfl-client new-keys)",
    ),
}


def sha256_of(code: str) -> str:
    """Give what a coordinator keeps of a code: it is random, so nobody finds it from this."""
    return hashlib.sha256(f"medfl invitation {code}".encode()).hexdigest()


def sign_request(
    code: str,
    site: str,
    authority: bytes,
    transport: ec.EllipticCurvePrivateKey,
    signing: Ed25519PrivateKey,
    lines: tuple[str, str],
) -> bytes:
    """Write a request that shows the possession of both keys.

    Args:
        code: Of the invitation.
        site: The name in it.
        authority: SHA-256 of the study's authority.
        transport: Flower's requests are signed with it.
        signing: Replies are signed with it.
        lines: OpenSSH lines of the public halves, in this order.
    """
    said = _statement(code, site, authority, lines)
    signatures = transport.sign(said, ec.ECDSA(hashes.SHA256())), signing.sign(said)
    first, second = (base64.b64encode(signature).decode() for signature in signatures)
    request = JoinRequest(
        join=1, code=code, site=site, transport=lines[0], signing=lines[1],
        transport_signature=first, signing_signature=second,
    )  # fmt: skip
    return request.model_dump_json().encode()


def read_request(body: bytes) -> JoinRequest | None:
    """Read a request; None where it is none."""
    if len(body) > MAX_BYTES:
        return None
    try:
        return check(JoinRequest, parse_json(body.decode(), "the request"), "the request")
    except (ConfigError, UnicodeDecodeError):
        return None


def is_signed(request: JoinRequest, authority: bytes) -> bool:
    """Say whether a request carries two keys of the right kinds, and the signatures of both."""
    said = _statement(request.code, request.site, authority, request.keys)
    try:
        first, second = (load_ssh_public_key(line.encode()) for line in request.keys)
        if not isinstance(first, ec.EllipticCurvePublicKey) or first.curve.name != CURVE:
            return False
        if not isinstance(second, Ed25519PublicKey):
            return False
        if request.keys != (_line_of(first), _line_of(second)):  # one text for each key
            return False
        first.verify(_from_base64(request.transport_signature), said, ec.ECDSA(hashes.SHA256()))
        second.verify(_from_base64(request.signing_signature), said)
    except Exception:  # each kind of wrong key or signature has its own error
        return False
    return True


def read_answer(body: bytes) -> JoinAnswer:
    """Read the coordinator's answer; raises LinkError where it is none."""
    source = "the coordinator's answer"
    try:
        return check(JoinAnswer, parse_json(body.decode(), source), source)
    except (ConfigError, UnicodeDecodeError):
        raise LinkError(
            "the coordinator's answer cannot be read",
            todo="agree on one version of medfl with the coordinator",
        ) from None


def refusal(why: Why) -> LinkError:
    """Make the error that the hospital reads."""
    what, who, todo = REFUSALS.get(why, REFUSALS["unreadable"])
    return LinkError(what, todo=todo, who=who, data="nothing was enrolled; all files here are kept")


def _from_base64(text: str) -> bytes:
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:  # one text for each signature
        raise ValueError("not as medfl writes it")
    return found


def _line_of(key: ec.EllipticCurvePublicKey | Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _statement(code: str, site: str, authority: bytes, keys: tuple[str, str]) -> bytes:
    parts = ["medfl join", 1, sha256_of(code), site, authority.hex(), *keys]
    return json.dumps(parts).encode()
