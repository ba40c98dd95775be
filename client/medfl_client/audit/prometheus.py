"""`medfl-client run --metrics-port`: what left this hospital, for Prometheus, from its ledger."""

import shutil
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.registry import Collector

from medfl_client.config.folder import StateFolder
from medfl_client.egress.message_entry import MessageEntry
from medfl_common.ops.prometheus import counter, gauge
from medfl_common.run.following import NewLines


class _Counted:
    """What one ledger says so far."""

    def __init__(self, state: Path) -> None:
        self._new_lines = NewLines(StateFolder(state).ledger)
        self._forget()

    def _forget(self) -> None:
        self.outcomes = Counter[str]()  # released, refused, failed
        self.bytes = self.round = 0
        self.newest = 0.0

    def read(self) -> None:
        """Count the lines that are new."""
        if self._new_lines.begin_again():
            self._forget()
        for line in self._new_lines():
            entry = MessageEntry(line)
            self.outcomes[entry.outcome] += 1
            self.bytes += entry.n_bytes
            self.round, self.newest = entry.round, entry.time


class LedgerMonitor(Collector):
    """What the ledgers of a hospital's studies say together: messages, bytes, refusals.

    Args:
        states: The studies' states; those of a study that is joined later count from the next
            start on.
    """

    def __init__(self, *states: Path) -> None:
        self._state = states[0]
        self._ledgers = [_Counted(state) for state in states]
        self._lock = threading.Lock()  # two scrapes at once would count lines twice

    def collect(self) -> Iterable[Metric]:
        """Answer a scrape."""
        with self._lock:
            for one in self._ledgers:
                one.read()
            return [*self._families()]

    def describe(self) -> Iterable[Metric]:
        """Name no metric beforehand, so that the registry need not read the ledger."""
        return []

    def _families(self) -> Iterable[Metric]:
        made = sum((one.outcomes for one in self._ledgers), Counter[str]())
        last = max(self._ledgers, key=lambda one: one.newest)
        n_bytes = sum(one.bytes for one in self._ledgers)
        yield counter("client_messages", "Replies in the ledger.", made.total())
        yield counter("client_refused", "Tasks that policy or guard refused.", made["refused"])
        yield counter("client_failed", "Tasks that failed here.", made["failed"])
        yield counter("client_bytes", "Bytes of all replies in the ledger.", n_bytes)
        yield gauge("client_round", "Round of the last reply.", last.round)
        yield gauge("client_last_reply_timestamp_seconds", "Time of the last reply.", last.newest)
        free = shutil.disk_usage(self._state).free
        yield gauge("client_disk_free_bytes", "Free bytes where the site's directory is.", free)
