"""The parts of the study report that are counted: what left each hospital, and the run itself."""

import time
from collections import defaultdict
from typing import Any

from medfl_common import __version__
from medfl_common.run.log import Event
from medfl_common.ui.page import Section, Table
from medfl_server.aggregation.aggregate import needs
from medfl_server.study.run_directory import Study


def what_left(asked: list[Event]) -> Section:
    """Count the messages and bytes of each site."""
    sent: dict[str, list[int]] = defaultdict(list)
    received: dict[str, int] = defaultdict(int)
    for event in asked:  # what a round without a quorum brought has left its hospital too
        for site, facts in sites_of(event).items():
            sent[site].append(facts["bytes_received"])  # by the coordinator
            received[site] += facts["bytes_sent"]
    rows = [
        [site, str(len(sizes)), f"{max(sizes):,}", f"{sum(sizes):,}", f"{received[site]:,}"]
        for site, sizes in sent.items()
    ]
    header = ["site", "messages sent", "bytes in the largest", "bytes sent", "bytes received"]
    text = (
        "What left is the change of the model's weights and a list of counts and losses; no image, "
        "no header, no name and no path. In a real study each hospital holds its own ledger of "
        "these messages, chained by hashes. Bytes are those of arrays and numbers, without the "
        "transport's framing, in the replies that were taken; what was refused or lost on the way "
        "is in the ledger only."
    )
    return Section("What left each hospital", [text], tables=[Table(header, rows)])


def facts_of_run(study: Study, events: list[Event], finished: Event | None) -> Section:
    """List what identifies a run."""
    n_needed = needs(study.plan.federation)
    rows = [
        ["study", study.plan.study],
        ["run", study.run],
        ["plan, SHA-256", study.plan.hash()],
        ["final weights, SHA-256", str(finished["sha256"]) if finished else "not finished"],
        ["seed", str(study.plan.seed)],
        ["strategy", study.plan.federation.strategy],
        ["valid replies that the plan wants", str(study.plan.federation.min_sites)],
        ["valid replies that the strategy needs", str(n_needed)],
        ["started", _when(events[0]) if events else "not yet"],
        ["last event", _when(events[-1]) if events else "none"],
        ["resumed after a stop", str(sum(e["event"] == "resumed" for e in events))],
        ["rounds without a quorum", str(sum(e["event"] == "round_without_quorum" for e in events))],
        ["medfl", __version__],
    ]
    return Section("The run", tables=[Table(["fact", "value"], rows, is_text=True)])


def sites_of(event: Event) -> dict[str, Any]:
    """Give what an event keeps of each site."""
    return mapping(event["sites"])


def mapping(value: Any) -> dict[str, Any]:
    """Take a value of the log for a mapping."""
    return dict(value)


def _when(event: Event) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(str(event["time"]))))
