"""Certificate files as both ends look at them: when they end, and their fingerprint."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from medfl_common.errors import LinkError, Who
from medfl_common.ops.checks import Finding, fail, ok, warn

WARN_DAYS = (30, 7, 1)  # left of a certificate: warn, warn louder, act today


def valid_until(path: Path) -> datetime:
    """Say when a certificate file ends; raises LinkError where there is none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        raise LinkError(
            f"{path} is missing or no certificate", todo="put it back from a copy"
        ) from None


def certificate_fingerprint(path: Path) -> str:
    """SHA-256 of a certificate file as `openssl x509 -fingerprint -sha256` shows it."""
    digest = x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def urgency(days: int) -> str:
    """Say how soon someone must act: nothing, SOON or TODAY."""
    return "" if days > WARN_DAYS[1] else "SOON: " if days > WARN_DAYS[2] else "TODAY: "


def check_end(ends: datetime, todo: str, who: Who) -> Finding:
    """Judge how long a certificate is still valid."""
    days = (ends - datetime.now(UTC)).days
    if days < 0:
        return fail(f"ended on {ends:%Y-%m-%d}: no hospital can connect", todo, who)
    seen = f"valid until {ends:%Y-%m-%d}, {days} more days"
    return ok(seen) if days > WARN_DAYS[0] else warn(seen, urgency(days) + todo, who)
