"""Sign what goes to a site: its task, whole, for this site and no other."""

import weakref
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from flwr.app import ArrayRecord, RecordDict

from medfl_common.wire.digest import SEAL, Arrays, arrays_of
from medfl_common.wire.ledger_statement import LastLine, add_statement, last_line_in
from medfl_common.wire.signature import sign_task
from medfl_server.roster.enrolment import Enrolled
from medfl_server.roster.ledgers import Heard, Ledgers
from medfl_server.roster.study_key import read_study_key


class TaskSigner:
    """Holds the study key of a run directory. Hashes weights that go to many sites once."""

    def __init__(self, folder: Path) -> None:
        self._key, certificate = read_study_key(folder)
        self._certificate = certificate.public_bytes(Encoding.DER)
        self._ledgers = Ledgers(folder)
        self._hashed: dict[int, tuple[weakref.ref[ArrayRecord], Arrays]] = {}

    def sign(self, content: RecordDict, site: str, to: Enrolled) -> str:
        """Add what is known of the site's ledger, and the signature; return the task's digest."""
        heard = self._ledgers.of(site)
        if heard is not None:
            last = LastLine(heard.line, heard.hash)
            add_statement(content, last, heard.time, to.fingerprint, self._key)
        return sign_task(content, to.fingerprint, self._key, self._certificate, self._arrays)

    def hear(self, content: RecordDict, site: str) -> Heard | None:
        """Note the ledger's last line in a reply whose signature holds.

        Returns what the site has gone back on, where it has.
        """
        last = last_line_in(content.metric_records[SEAL])
        return None if last is None else self._ledgers.note(site, last.line, last.hash)

    def _arrays(self, record: ArrayRecord) -> Arrays:
        seen, arrays = self._hashed.get(id(record), (None, None))
        if seen is None or arrays is None or seen() is not record:
            arrays = arrays_of(record)
            alive = {i: one for i, one in self._hashed.items() if one[0]() is not None}
            self._hashed = {**alive, id(record): (weakref.ref(record), arrays)}
        return arrays
