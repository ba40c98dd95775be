"""The study key's files: the coordinator signs every task with it.

DIR/tls/study.key    0600, Ed25519; never leaves the coordinator
    tls/study.crt    its certificate, from the study's authority; goes with each task
    tls/ca.crt       has a copy of study.crt after the authority's own certificate
"""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from medfl_common.errors import LinkError
from medfl_common.files import write_atomic, write_private
from medfl_common.run.folder import RunFolder
from medfl_common.wire.keys import fingerprint
from medfl_common.wire.study_key import key_line
from medfl_server.roster.certificates import issue_study_certificate


def ensure_study_key(folder: Path) -> bool:
    """Make the study key where there is none: a study of an earlier version has none yet."""
    made = RunFolder(folder)
    if made.study_certificate.exists():
        return False
    key = Ed25519PrivateKey.generate()
    certificate = issue_study_certificate(folder, key.public_key())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(made.study_key, private)
    authority = x509.load_pem_x509_certificate(made.ca.read_bytes())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    write_atomic(made.ca, authority.public_bytes(serialization.Encoding.PEM) + pem)
    write_atomic(made.study_certificate, pem)
    return True


def read_study_key(folder: Path) -> tuple[Ed25519PrivateKey, x509.Certificate]:
    """Read the study key and its certificate; raises LinkError where they are not a pair."""
    made = RunFolder(folder)
    try:
        certificate = x509.load_pem_x509_certificate(made.study_certificate.read_bytes())
        key = serialization.load_pem_private_key(made.study_key.read_bytes(), password=None)
    except (OSError, ValueError):
        key, certificate = None, None
    if not isinstance(key, Ed25519PrivateKey) or certificate is None:
        raise LinkError(
            f"the study key in {made.tls} is missing or damaged",
            todo="put study.key and study.crt back from a copy: hospitals take no other",
        )
    if certificate.public_key() != key.public_key():
        raise LinkError(
            "study.key does not belong to study.crt", todo="put both back from one copy"
        )
    return key, certificate


def study_fingerprint(folder: Path) -> str:
    """Give the fingerprint that hospitals see; empty where no study key has been made yet."""
    path = RunFolder(folder).study_certificate
    if not path.exists():
        return ""
    key = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    return fingerprint([key_line(key)]) if isinstance(key, Ed25519PublicKey) else ""
