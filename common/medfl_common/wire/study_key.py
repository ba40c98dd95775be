"""The study key: what a coordinator signs its tasks with, and how a site knows it.

The study's authority (ca.crt, compared by telephone) issues a certificate for it. The server's own
certificate cannot stand in: it holds another kind of key, for another purpose.
"""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from medfl_common.errors import ForeignTaskError

PURPOSE = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # signs documents, RFC 9336; serves no TLS
TODO = "tell the coordinator by telephone; compare the fingerprint of the study key"


def foreign(what: str) -> ForeignTaskError:
    """Make the error of a task that somebody else may have written."""
    return ForeignTaskError(what, todo=TODO, data="no data was read")


def issued_key(
    certificate: x509.Certificate, authorities: Sequence[x509.Certificate]
) -> Ed25519PublicKey:
    """Give the study key of a certificate that the authority issued; or ForeignTaskError."""
    key = certificate.public_key()
    try:
        certificate.verify_directly_issued_by(authorities[0])
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        is_study_key = PURPOSE in usage and isinstance(key, Ed25519PublicKey)
    except Exception:  # each kind of wrong signature or extension has its own error
        is_study_key = False
    if not is_study_key or not isinstance(key, Ed25519PublicKey):
        raise foreign("the task is signed with a key that this study's ca.crt did not issue")
    return key


def key_line(key: Ed25519PublicKey) -> str:
    """Write a key as OpenSSH does."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
