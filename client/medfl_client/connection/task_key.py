"""Whether a task is of this study's coordinator and for this site: asked before anything else."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import RecordDict

from medfl_client.connection.study_key import known_study_key, pin, read_authorities
from medfl_common.wire.keys import fingerprint
from medfl_common.wire.signature import check_task, task_certificate
from medfl_common.wire.study_key import foreign, issued_key, key_line


@dataclass(frozen=True)
class StudyKey:
    """What a site holds a task against.

    Args:
        ca: The study's ca.crt.
        state: The site's state, which keeps the pinned keys.
        public: The site's own identity.pub; a task names for whom it is.
    """

    ca: Path
    state: Path
    public: Path

    @property
    def own(self) -> str:
        """Fingerprint of the site's keys."""
        return fingerprint(self.public.read_text().split("\n")[:2])

    def check(self, content: RecordDict) -> str:
        """Give the digest of a task that this study's coordinator wrote for this site.

        Raises ForeignTaskError for every other.
        """
        authorities = read_authorities(self.ca)
        key = issued_key(task_certificate(content), authorities)
        line, known = key_line(key), known_study_key(self.ca, self.state)
        if known and line != known:
            raise foreign(
                f"the task is signed with another study key ({fingerprint([line])}) than this site "
                f"knows ({fingerprint([known])})"
            )
        digest = check_task(content, self.own, key)
        pin(self.ca, self.state, line)
        return digest


def signer_of(content: RecordDict) -> str:
    """Give the line of the key whose certificate is in a task, unchecked; empty: there is none."""
    try:
        key = task_certificate(content).public_key()
    except Exception:  # each kind of wrong certificate has its own error
        return ""
    return key_line(key) if isinstance(key, Ed25519PublicKey) else ""
