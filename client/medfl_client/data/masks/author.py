"""The model that outlined, as DICOM files name it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

LONGEST = 64  # letters of a value of type LO


@dataclass(frozen=True)
class Author:
    """The model that outlined."""

    study: str
    digest: str  # SHA-256 of its weights

    @property
    def name(self) -> str:
        """Name it within the 64 letters that DICOM has."""
        return f"{self.study[: LONGEST - 13]} {self.digest[:12]}"


def stable_uid(facts: Sequence[str]) -> str:
    """Make a UID that follows from facts (PS3.5 B.2): the same outlines have the same."""
    return f"2.25.{int.from_bytes(sha256(chr(0).join(facts).encode()).digest()[:16], 'big')}"
