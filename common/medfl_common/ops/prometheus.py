"""Metrics for Prometheus on loopback.

The library's own endpoint asks nobody who they are, so it is bound to this machine and no other.
"""

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from medfl_common.errors import LinkError, system_reason

LOOPBACK = "127.0.0.1"


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
