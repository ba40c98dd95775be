"""What `--metrics-port` answers Prometheus, asked of a study and a hospital made for it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.registry import Collector
from tools.reference.markdown import code, table

from medfl_client.audit.prometheus import LedgerMonitor
from medfl_server.prometheus import Monitor
from medfl_server.roster.certificates import create_authority
from medfl_server.study.run_directory import create_study

PLAN = Path(__file__).parents[2] / "configs" / "phantom.yaml"
HEADER = ("metric", "kind", "what it says")


def tables() -> list[str]:
    """Give the tables of the coordinator and of a hospital."""
    with TemporaryDirectory() as folder:
        study = create_study(Path(folder) / "study", PLAN)
        create_authority(study.folder, study.plan.study, "localhost")
        coordinator = _table(Monitor(study, dict))
        hospital = _table(LedgerMonitor(Path(folder)))
    return [
        "## For Prometheus: the coordinator",
        "`medfl-server run --metrics-port PORT`; those of a site have the label `site`.",
        coordinator,
        "## For Prometheus: a hospital",
        "`medfl-client run --metrics-port PORT`.",
        hospital,
    ]


def _table(collector: Collector) -> str:
    rows = []
    for family in collector.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append([code(name), family.type, family.documentation])
    return table(HEADER, rows)
