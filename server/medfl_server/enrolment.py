"""Who belongs to a study: the certificate authority, the server's certificate and the roster.

DIR/tls/ca.key       0600, signs server certificates; never leaves the coordinator
    tls/ca.crt       goes to every hospital: by it they know this coordinator
    tls/server.key   0600
    tls/server.crt
    roster.json      name -> public key of each enrolled hospital, in the order of enrolment
"""

import ipaddress
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from medfl_common.errors import ConfigError, LinkError
from medfl_common.files import write_atomic, write_private
from medfl_common.keys import fingerprint
from medfl_common.schema import NAME, NAME_IN_WORDS

DAYS_VALID = 825  # of a server certificate; the authority is valid for ten years


def create_authority(folder: Path, study: str, host: str) -> None:
    """Make the study's certificate authority and the server's certificate for `host`."""
    tls = folder / "tls"
    tls.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_key, ca_name = ec.generate_private_key(ec.SECP384R1()), _name(f"medfl {study}")
    ca = _certificate(ca_name, ca_key, ca_name, ca_key, days=3650, host=None)
    key = ec.generate_private_key(ec.SECP384R1())
    certificate = _certificate(_name(host), key, ca_name, ca_key, days=DAYS_VALID, host=host)
    for name, private in (("ca.key", ca_key), ("server.key", key)):
        write_private(tls / name, _pem(private))
    write_atomic(tls / "ca.crt", ca.public_bytes(serialization.Encoding.PEM))
    write_atomic(tls / "server.crt", certificate.public_bytes(serialization.Encoding.PEM))


def read_roster(folder: Path) -> dict[str, str]:
    """Read the enrolled sites: name -> OpenSSH public key line, in the order of enrolment."""
    path = folder / "roster.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def enrol(folder: Path, name: str, key_file: Path) -> str:
    """Add a hospital to the roster; return its key's fingerprint.

    Raises ConfigError for a name or a key that is taken, and LinkError for what is no such key.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"the name {name!r} is not allowed; write {NAME_IN_WORDS}")
    roster = read_roster(folder)
    line = _read_public_key(key_file)
    if roster.get(name) == line:
        return fingerprint(line)
    if name in roster:
        raise ConfigError(f"{name} is enrolled with another key, {fingerprint(roster[name])}")
    if line in roster.values():
        raise ConfigError("this key is enrolled under another name; each hospital has its own")
    roster[name] = line
    write_atomic(folder / "roster.json", json.dumps(roster, indent=1).encode())
    return fingerprint(line)


def _read_public_key(path: Path) -> str:
    try:
        data = path.read_bytes()
        key = serialization.load_ssh_public_key(data)
    except OSError:
        raise LinkError(f"the key file {path.resolve()} cannot be read") from None
    except (ValueError, UnsupportedAlgorithm):
        raise LinkError(f"{path} holds no OpenSSH public key; ask for identity.pub") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise LinkError(f"{path} holds another kind of key than medfl-client init makes")
    return b" ".join(data.split()[:2]).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    days: int,
    host: str | None,
) -> x509.Certificate:
    """Sign a certificate; without a host it is the authority's own."""
    now = datetime.now(UTC)
    is_authority = host is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(_usage(is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if host is not None:
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(server, critical=False)
        builder = builder.add_extension(_alternative_names(host), critical=False)
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
    for name in dict.fromkeys((host, "localhost", "127.0.0.1")):
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
