"""Signatures on what crosses: the study key's on a task, the site's on its reply (Ed25519).

TLS ends at a proxy where a hospital has one; Flower signs a time stamp, not the content. A task is
signed whole and for one site; a reply names the digest of the task that it answers, weights
included. So nobody on the way can change either, or pass off an old or a foreign one.
"""

import json
import struct
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from medfl_common.errors import RunError
from medfl_common.wire.digest import SEAL, Arrays, arrays_of, content_sha256, task_digest
from medfl_common.wire.ledger_statement import LEDGER, LastLine, words_of
from medfl_common.wire.protocol import PROTOCOL
from medfl_common.wire.study_key import foreign

SIGNATURE, CERTIFICATE = "signature", "certificate"  # keys; a reply's: eight 64-bit numbers
WORDS = struct.Struct(">8q")


def sign_task(
    content: RecordDict,
    to: str,
    key: Ed25519PrivateKey,
    certificate: bytes,
    hashed: Callable[[ArrayRecord], Arrays] = arrays_of,
) -> str:
    """Add the study key's signature to a task; return the task's digest.

    Args:
        content: The task.
        to: Fingerprint of the keys of the site that it is for.
        key: The study key.
        certificate: DER; the study's authority vouches for the key.
        hashed: What remembers the hashes of arrays that go to many sites.
    """
    digest = task_digest(content, hashed=hashed)
    signature = key.sign(_task_statement(digest, to))
    content[SEAL] = ConfigRecord({SIGNATURE: signature, CERTIFICATE: certificate})
    return digest


def task_certificate(content: RecordDict) -> x509.Certificate:
    """Read the certificate beside a task's signature; raises ForeignTaskError without one."""
    try:
        return x509.load_der_x509_certificate(_sealed_bytes(content, CERTIFICATE))
    except ValueError:
        raise foreign("the certificate beside the task's signature is damaged") from None


def check_task(content: RecordDict, own: str, key: Ed25519PublicKey) -> str:
    """Give the digest of a task that is signed for this site, or raise ForeignTaskError.

    Args:
        content: The task.
        own: Fingerprint of this site's keys.
        key: The study key.
    """
    digest = task_digest(content)
    try:
        key.verify(_sealed_bytes(content, SIGNATURE), _task_statement(digest, own))
    except InvalidSignature:
        raise foreign("the task was changed on the way, or is another site's") from None
    return digest


def seal(
    content: RecordDict, task: str, key: Ed25519PrivateKey, last: LastLine | None = None
) -> RecordDict:
    """Add the signature to a reply.

    Args:
        content: The reply.
        task: The task's digest, empty where it was not read.
        key: The site's.
        last: Of the site's ledger, the line of this very reply.
    """
    told = [] if last is None else words_of(last)
    words = WORDS.unpack(key.sign(_reply_statement(content, task, told)))
    content[SEAL] = MetricRecord({SIGNATURE: [*words], LEDGER: told})
    return content


def check_seal(content: RecordDict, task: str, key_line: str) -> None:
    """Raise RunError unless the reply is signed with the site's key for this very request.

    Args:
        content: The reply.
        task: Digest of what was asked; empty: the site says that it could not read it.
        key_line: OpenSSH line of the site's Ed25519 key.
    """
    key = load_ssh_public_key(key_line.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise RunError(
            "the roster holds another signing key than medfl-client makes", todo="enrol anew"
        )
    try:
        words, told = (content.metric_records[SEAL][name] for name in (SIGNATURE, LEDGER))
        signature = WORDS.pack(*words)  # type: ignore[misc]
        key.verify(signature, _reply_statement(content, task, told))
    except (KeyError, TypeError, struct.error, InvalidSignature):
        raise RunError(
            "the reply is not signed with the key that the site was enrolled with, for this request"
        ) from None


def _sealed_bytes(content: RecordDict, name: str) -> bytes:
    value = content.config_records[SEAL].get(name) if SEAL in content.config_records else None
    if not isinstance(value, bytes):
        raise foreign("the task is not signed by this study's coordinator")
    return value


def _task_statement(digest: str, to: str) -> bytes:
    return json.dumps(["medfl task", PROTOCOL, digest, to]).encode()


def _reply_statement(content: RecordDict, task: str, told: object) -> bytes:
    return json.dumps(["medfl reply", PROTOCOL, task, told, content_sha256(content)]).encode()
