"""Sign what goes to a site: its task, whole, for this site and no other."""

import weakref
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from flwr.app import ArrayRecord, RecordDict

from medfl_common.wire.digest import Arrays, arrays_of
from medfl_common.wire.signature import sign_task
from medfl_server.roster.enrolment import Enrolled
from medfl_server.roster.study_key import read_study_key


class TaskSigner:
    """Holds the study key of a run directory. Hashes weights that go to many sites once."""

    def __init__(self, folder: Path) -> None:
        self._key, certificate = read_study_key(folder)
        self._certificate = certificate.public_bytes(Encoding.DER)
        self._hashed: dict[int, tuple[weakref.ref[ArrayRecord], Arrays]] = {}

    def sign(self, content: RecordDict, to: Enrolled) -> str:
        """Add the signature to a task; return the task's digest, which the reply names."""
        return sign_task(content, to.fingerprint, self._key, self._certificate, self._arrays)

    def _arrays(self, record: ArrayRecord) -> Arrays:
        seen, arrays = self._hashed.get(id(record), (None, None))
        if seen is None or arrays is None or seen() is not record:
            arrays = arrays_of(record)
            alive = {i: one for i, one in self._hashed.items() if one[0]() is not None}
            self._hashed = {**alive, id(record): (weakref.ref(record), arrays)}
        return arrays
