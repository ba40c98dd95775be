"""The study's certificate authority, and the server's certificate that it signs.

DIR/tls/ca.key       0600, signs server certificates; never leaves the coordinator
    tls/ca.crt       goes to every hospital: by it they know this coordinator
    tls/study.key    0600, signs tasks; see study_key
    tls/server.key   0600
    tls/server.crt   valid for DAYS_VALID days; `medfl-server renew` makes a new one
"""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from medfl_common.errors import LinkError, reason_of
from medfl_common.files import write_atomic, write_private
from medfl_common.ops.address import bare
from medfl_common.ops.certificate import WARN_DAYS, certificate_fingerprint, urgency, valid_until
from medfl_common.run.folder import RunFolder
from medfl_common.wire.study_key import PURPOSE

DAYS_VALID = 825  # of a server certificate
AUTHORITY_DAYS = 3650  # of the authority's own, and the study key's


def create_authority(folder: Path, study: str, host: str) -> str:
    """Make the study's certificate authority and the server's certificate for `host`.

    Returns the authority's fingerprint, which a hospital can compare with that of its copy.
    """
    made = RunFolder(folder)
    made.tls.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, name = ec.generate_private_key(ec.SECP384R1()), _name(f"medfl {study}")
    authority = _certificate(name, key.public_key(), name, key, days=AUTHORITY_DAYS)
    write_private(made.ca_key, _pem(key))
    write_atomic(made.ca, authority.public_bytes(serialization.Encoding.PEM))
    _write_server_certificate(made, authority, key, host)
    return certificate_fingerprint(made.ca)


def use_authority_above(folder: Path) -> str:
    """Give a study the authority of the coordinator's directory above; return its fingerprint."""
    made, above = RunFolder(folder), RunFolder(RunFolder(folder).ca_key.parent.parent)
    made.tls.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _read_certificate(above, above.ca)
    write_atomic(made.ca, authority.public_bytes(serialization.Encoding.PEM))
    return certificate_fingerprint(made.ca)


def take_over_authority(study: Path, folder: Path) -> str:
    """Copy a study's authority and server certificate; return the authority's fingerprint.

    The study's own key stays with the study.
    """
    source, made = RunFolder(study), RunFolder(folder)
    authority, _ = _read_authority(source)  # raises where they are not whole
    made.tls.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (source.ca_key, source.server_key):
        write_private(made.tls / path.name, path.read_bytes())
    write_atomic(made.ca, authority.public_bytes(serialization.Encoding.PEM))
    found = source.server_certificate
    write_atomic(made.tls / found.name, found.read_bytes())
    return certificate_fingerprint(made.ca)


def have_one_authority(folder: Path, other: Path) -> bool:
    """Say whether the hospitals of two directories trust the same authority."""
    first, second = RunFolder(folder), RunFolder(other)
    return _read_certificate(first, first.ca) == _read_certificate(second, second.ca)


def renew(folder: Path, host: str = "") -> datetime:
    """Make a new server certificate and key; by default for the same host.

    Hospitals need nothing new: they trust the authority. Returns when it ends; raises LinkError if
    the authority's files are missing or damaged.
    """
    made = RunFolder(folder)
    authority, key = _read_authority(made)
    _write_server_certificate(made, authority, key, host or certified_names(folder)[0])
    return valid_until(made.server_certificate)


def certified_names(folder: Path) -> list[str]:
    """List the hosts that the server's certificate is for; the first is the one that was given."""
    made = RunFolder(folder)
    found = _read_certificate(made, made.server_certificate)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def issue_study_certificate(folder: Path, key: Ed25519PublicKey) -> x509.Certificate:
    """Vouch for the key that signs tasks; raises LinkError without the authority's files."""
    authority, authority_key = _read_authority(RunFolder(folder))
    subject, days = _name("medfl study key"), AUTHORITY_DAYS
    return _certificate(
        subject, key, authority.subject, authority_key, days, x509.ExtendedKeyUsage([PURPOSE])
    )


def expiry_warning(folder: Path, now: datetime) -> str | None:
    """Warn of certificates that end within WARN_DAYS[0] days."""
    made = RunFolder(folder)
    ends = {path: valid_until(path) for path in (made.server_certificate, made.ca)}
    path, first = min(ends.items(), key=lambda item: item[1])
    left = (first - now).days
    if left > WARN_DAYS[0]:
        return None
    what = f"{path} ends on {first:%Y-%m-%d}, in {left} days"
    if left < 0:
        what = f"{path} ended on {first:%Y-%m-%d}: no hospital can connect"
    if path == made.ca:
        return f"{urgency(left)}{what}; make a new study with a new authority before then"
    return (
        f"{urgency(left)}{what}; run medfl-server renew {folder}, then start medfl-server run again"
    )


def _write_server_certificate(
    made: RunFolder,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    host: str,
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = _certificate(
        _name(bare(host)),
        key.public_key(),
        authority.subject,
        authority_key,
        DAYS_VALID,
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        _alternative_names(host),
    )
    write_private(made.server_key, _pem(key))
    write_atomic(made.server_certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _read_authority(made: RunFolder) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        key = serialization.load_pem_private_key(made.ca_key.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise _unreadable(made, error) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unreadable(made, LinkError("ca.key is another kind of key"))
    return _read_certificate(made, made.ca), key


def _read_certificate(made: RunFolder, path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(made, error) from None


def _unreadable(made: RunFolder, error: Exception) -> LinkError:
    why = reason_of(error, "a file is damaged")
    return LinkError(
        f"the study's certificates in {made.tls} cannot be read ({why})",
        todo="put ca.crt, ca.key and server.crt back from a copy",
    )


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey | Ed25519PublicKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    days: int,
    *extensions: x509.ExtendedKeyUsage | x509.SubjectAlternativeName,
) -> x509.Certificate:
    """Sign a certificate; without extensions, the authority's own."""
    now = datetime.now(UTC)
    is_authority = not extensions
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(_usage(is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA384())


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(host: str) -> x509.SubjectAlternativeName:
    """Name the host, and this machine itself for tests on it."""
    names: list[x509.GeneralName] = []
    for name in dict.fromkeys((bare(host), "localhost", "127.0.0.1", "::1")):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            names.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(names)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
