"""`medfl-server run --metrics-port`: the state of a study for Prometheus, from its run log."""

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from medfl_common.ops.certificate import valid_until
from medfl_common.ops.prometheus import counter, gauge, serve_metrics
from medfl_common.run.events import (
    Asked,
    Event,
    Finished,
    LateReply,
    Paused,
    Resumed,
    RoundMade,
    RoundWithoutQuorum,
    event_of,
)
from medfl_common.run.following import NewLines
from medfl_server.roster.enrolment import read_roster
from medfl_server.study.run_directory import Study
from medfl_server.superlink.transport import ConnectedSite

PER_SITE = {  # counter -> what it says of a site
    "rounds_missed": "Rounds that were made, or tried, without this site.",
    "quarantined": "Replies of this site that were not admitted.",
    "late_replies": "Replies of this site that came after their round was closed.",
    "bytes_received": "Bytes of this site's admitted replies.",
    "bytes_sent": "Bytes of the tasks that this site answered.",
}

Ask = Callable[[], dict[str, ConnectedSite]]


class Together(Collector):
    """Several studies' metrics under the same names, with the label `study`: a directory's name."""

    def __init__(self) -> None:
        self._monitors: dict[str, Monitor] = {}

    def add(self, study: Study, connected_sites: Ask) -> Ask:
        """Tell of a study, too; give the `connected_sites` that its loop is to use."""
        monitor = Monitor(study, connected_sites)
        # another dictionary: a scrape may be going through the old one
        self._monitors = {**self._monitors, study.folder.name: monitor}
        return monitor.connected_sites

    def collect(self) -> Iterable[Metric]:
        """Answer a scrape."""
        families: dict[str, Metric] = {}
        for study, monitor in self._monitors.items():
            for own in monitor.collect():
                family = families.setdefault(
                    own.name, Metric(own.name, own.documentation, own.type)
                )
                for sample in own.samples:
                    labels = {"study": study, **sample.labels}
                    family.add_sample(sample.name, labels, sample.value)
        return families.values()

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: the registry need not read the logs for it."""
        return []


def watch(study: Study, connected_sites: Ask, port: int) -> Ask:
    """Serve the study's metrics; give the `connected_sites` that the round loop is to use."""
    monitor = Monitor(study, connected_sites)
    serve_metrics(monitor, port)
    return monitor.connected_sites


def watch_together(port: int) -> Together:
    """Serve several studies' metrics; give what takes them."""
    together = Together()
    serve_metrics(together, port)
    return together


class Monitor(Collector):
    """What a study looks like from outside; the run directory is the truth.

    Args:
        study: The run directory and its plan.
        connected_sites: Lists them. Only the round loop's thread may ask, so the loop is
            given this object's `connected_sites`, and a scrape gets what the loop saw last.
    """

    def __init__(self, study: Study, connected_sites: Ask) -> None:
        self._study = study
        self._ask = connected_sites
        self._connected: frozenset[str] = frozenset()
        self._new_lines = NewLines(study.files.log)
        self._lock = threading.Lock()  # two scrapes at once would count lines twice
        self._forget()

    def _forget(self) -> None:
        self._rounds = Counter[type[Event]]()
        self._sites: dict[str, Counter[str]] = {name: Counter() for name in PER_SITE}
        self._answered: frozenset[str] = frozenset()
        self._seconds = self._newest = 0.0
        self._state: type[Event] = Event

    def connected_sites(self) -> dict[str, ConnectedSite]:
        """List the connected sites, and remember them for the next scrape."""
        present = self._ask()
        self._connected = frozenset(present)
        return present

    def collect(self) -> Iterable[Metric]:
        """Answer a scrape."""
        with self._lock:
            if self._new_lines.begin_again():
                self._forget()
            for line in self._new_lines():
                self._count(event_of(line))
            return [*self._of_study(), *self._of_sites()]

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: the registry need not read the log for it."""
        return []

    def _count(self, event: Event) -> None:
        self._newest = event.time
        self._rounds[type(event)] += 1
        if isinstance(event, Resumed | Paused | Finished | RoundMade | RoundWithoutQuorum):
            self._state = type(event)
        if isinstance(event, LateReply):
            self._sites["late_replies"][event.site] += 1
        if isinstance(event, Asked):
            self._count_replies(event)

    def _count_replies(self, event: Asked) -> None:
        for site, reply in event.sites.items():
            self._sites["bytes_received"][site] += reply.bytes_received
            self._sites["bytes_sent"][site] += reply.bytes_sent
        for site in event.missing:
            self._sites["quarantined"][site] += site in event.quarantined
        if isinstance(event, RoundMade | RoundWithoutQuorum):
            self._seconds, self._answered = event.seconds, frozenset(event.sites)
            self._sites["rounds_missed"].update(event.missing.keys())

    def _of_study(self) -> Iterable[Metric]:
        made = self._rounds
        yield gauge("rounds_made", "Rounds of this study that were made.", made[RoundMade])
        yield gauge("rounds_planned", "Rounds of the plan.", self._study.plan.federation.rounds)
        yield counter(
            "rounds_without_quorum",
            "Rounds with too few good replies: the model was unchanged.",
            made[RoundWithoutQuorum],
        )
        yield gauge("round_seconds", "Seconds that the last round took.", self._seconds)
        yield counter("pauses", "Times that the study was paused.", made[Paused])
        yield gauge("paused", "1 while the study is paused.", self._state is Paused)
        yield gauge("finished", "1 when the study is finished.", self._state is Finished)
        yield gauge("last_event_timestamp_seconds", "Time of the last log line.", self._newest)
        yield gauge(
            "certificate_ends_timestamp_seconds",
            "Time at which the server's certificate file ends.",
            valid_until(self._study.files.server_certificate).timestamp(),
        )
        free = shutil.disk_usage(self._study.folder).free
        yield gauge("disk_free_bytes", "Free bytes where the study's directory is.", free)

    def _of_sites(self) -> Iterable[Metric]:
        enrolled = read_roster(self._study.folder)
        connected = self._connected & enrolled.keys()
        yield gauge("sites_enrolled", "Hospitals on the roster.", len(enrolled))
        yield gauge("sites_connected", "Hospitals that are connected.", len(connected))
        yield gauge("sites_answered", "Hospitals in the last round.", len(self._answered))
        is_there = GaugeMetricFamily(
            "medfl_site_connected", "1 while this site is connected.", labels=["site"]
        )
        for site in enrolled:
            is_there.add_metric([site], site in connected)
        yield is_there
        for name, meaning in PER_SITE.items():
            counted = CounterMetricFamily(f"medfl_site_{name}", meaning, labels=["site"])
            for site in enrolled:
                counted.add_metric([site], self._sites[name][site])
            yield counted
