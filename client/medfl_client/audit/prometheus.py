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
from medfl_common.ops.prometheus import NewLines, counter, gauge


class LedgerMonitor(Collector):
    """What the ledger of a site's `state` directory says: messages, bytes, refusals."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._new_lines = NewLines(StateFolder(state).ledger)
        self._lock = threading.Lock()  # two scrapes at once would count lines twice
        self._forget()

    def _forget(self) -> None:
        self._outcomes = Counter[str]()  # released, refused, failed
        self._bytes = self._round = 0
        self._newest = 0.0

    def collect(self) -> Iterable[Metric]:
        """Answer a scrape."""
        with self._lock:
            if self._new_lines.begin_again():
                self._forget()
            for line in self._new_lines():
                entry = MessageEntry(line)
                self._outcomes[entry.outcome] += 1
                self._bytes += entry.n_bytes
                self._round, self._newest = entry.round, entry.time
            return [*self._families()]

    def describe(self) -> Iterable[Metric]:
        """Name no metric beforehand, so that the registry need not read the ledger."""
        return []

    def _families(self) -> Iterable[Metric]:
        made = self._outcomes
        yield counter("client_messages", "Replies in the ledger.", made.total())
        yield counter("client_refused", "Tasks that policy or guard refused.", made["refused"])
        yield counter("client_failed", "Tasks that failed here.", made["failed"])
        yield counter("client_bytes", "Bytes of all replies in the ledger.", self._bytes)
        yield gauge("client_round", "Round of the last reply.", self._round)
        yield gauge("client_last_reply_timestamp_seconds", "Time of the last reply.", self._newest)
        free = shutil.disk_usage(self._state).free
        yield gauge("client_disk_free_bytes", "Free bytes where the site's directory is.", free)
