"""The last line of a site's ledger, as it crosses: the site tells it, the coordinator states it.

A ledger cut at the end with its head set back is whole in itself. The site's signed reply names its
last line; the coordinator's next task has a signed statement of it, which both ends keep.
"""

import json
import struct
from dataclasses import asdict, dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from flwr.app import ConfigRecord, MetricRecord, RecordDict

from medfl_common.wire.digest import STATEMENT
from medfl_common.wire.study_key import foreign

LEDGER = "ledger"  # in a reply's seal
WORDS = struct.Struct(">4q")


@dataclass(frozen=True)
class LastLine:
    """The last line of a ledger."""

    line: int
    hash: str  # hex, 64 digits


@dataclass(frozen=True)
class Statement:
    """What the coordinator says that it has heard of a site's ledger."""

    line: int
    hash: str
    time: float  # when it heard of it, seconds since 1970
    to: str  # fingerprint of the site's keys
    signature: str  # hex, of the study key

    def is_signed(self, key: Ed25519PublicKey) -> bool:
        """Say whether the study key signed it."""
        try:
            key.verify(bytes.fromhex(self.signature), _said(self.last, self.time, self.to))
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def last(self) -> LastLine:
        """The line that it is about."""
        return LastLine(self.line, self.hash)


def add_statement(
    content: RecordDict, last: LastLine, time: float, to: str, key: Ed25519PrivateKey
) -> None:
    """Add a signed statement to a task."""
    signature = key.sign(_said(last, time, to)).hex()
    told = Statement(last.line, last.hash, time, to, signature)
    content[STATEMENT] = ConfigRecord({**asdict(told)})


def statement_in(content: RecordDict) -> Statement | None:
    """Read the statement of a task; None where it has none."""
    record = content.config_records.get(STATEMENT)
    if record is None:
        return None
    try:
        line, time = int(record["line"]), float(record["time"])  # type: ignore[arg-type]
        return Statement(
            line, str(record["hash"]), time, str(record["to"]), str(record["signature"])
        )
    except (KeyError, ValueError, TypeError, OverflowError):
        raise foreign("the coordinator's statement of this site's ledger is damaged") from None


def words_of(last: LastLine) -> list[int]:
    """Write the last line as the five numbers of a reply's seal."""
    return [last.line, *WORDS.unpack(bytes.fromhex(last.hash))]


def last_line_in(seal: MetricRecord) -> LastLine | None:
    """Read the last line from a reply's seal, whose signature holds; None where it has none."""
    words = seal.get(LEDGER)
    if not isinstance(words, list) or [*map(type, words)] != [int] * 5 or words[0] < 0:
        return None
    return LastLine(int(words[0]), WORDS.pack(*words[1:]).hex())


def _said(last: LastLine, time: float, to: str) -> bytes:
    return json.dumps(["medfl ledger 1", last.line, last.hash, time, to]).encode()
