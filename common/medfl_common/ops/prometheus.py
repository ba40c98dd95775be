"""Metrics for Prometheus on loopback, counted from a file of JSON lines that is being written.

The library's own endpoint asks nobody who they are, so it is bound to this machine and no other.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from medfl_common.errors import LinkError, system_reason
from medfl_common.run.log import Line

LOOPBACK = "127.0.0.1"


class NewLines:
    """The whole lines that a file of JSON lines has got since the last look.

    A log of months is read once, not at every scrape. Nothing is written or cut here: another
    thread may be in the middle of a line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read, self._last = 0, b""  # bytes, and the line that ends there

    def begin_again(self) -> bool:
        """Say whether what was read is not in the file any more; then all lines are new.

        A coordinator that goes on may rewrite its log: rounds whose checkpoint was lost. A hospital
        may put its ledger aside, or a copy back.
        """
        if self._is_still_there():
            return False
        self._read, self._last = 0, b""
        return True

    def _is_still_there(self) -> bool:
        if not self._read:
            return True
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            file.seek(self._read - len(self._last))
            return file.read(len(self._last)) == self._last

    def __call__(self) -> Iterator[Line]:
        """Give the lines that are new, in the order written."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                self._last = line
                yield json.loads(line)


def serve_metrics(collector: Collector, port: int) -> None:
    """Answer scrapes on 127.0.0.1 from a thread that ends with the process.

    Raises LinkError where the port is in use.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        start_http_server(port, addr=LOOPBACK, registry=registry)
    except OSError as error:
        raise LinkError(
            f"port {port} on {LOOPBACK} cannot be used for metrics ({system_reason(error)})",
            todo="stop what uses it, or take another with --metrics-port",
        ) from None


def gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    """Make a figure that goes up and down."""
    return GaugeMetricFamily(f"medfl_{name}", meaning, value=value)


def counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    """Make a figure that only grows; its name gets `_total`."""
    return CounterMetricFamily(f"medfl_{name}", meaning, value=value)
