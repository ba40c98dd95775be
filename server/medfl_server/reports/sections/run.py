"""What identifies a run."""

import time

from medfl_common import __version__
from medfl_common.run.decisions import PlanChanged, TakenBack
from medfl_common.run.events import Event, Finished, Resumed, RoundWithoutQuorum
from medfl_common.ui.page import Section, Table
from medfl_server.aggregation.aggregator import needs
from medfl_server.study.run_directory import Study


def run_section(study: Study, events: list[Event], finished: Finished | None) -> Section:
    """List what identifies a run."""
    n_needed = needs(study.plan.federation)
    rows = [
        ["study", study.plan.study],
        ["run", study.run],
        ["plan, SHA-256", study.plan.hash()],
        ["final weights, SHA-256", finished.sha256 if finished else "not finished"],
        ["seed", str(study.plan.seed)],
        ["strategy", study.plan.federation.strategy],
        ["valid replies that the plan wants", str(study.plan.federation.min_sites)],
        ["valid replies that the strategy needs", str(n_needed)],
        ["started", _when(events[0]) if events else "not yet"],
        ["last event", _when(events[-1]) if events else "none"],
        ["resumed after a stop", str(sum(isinstance(e, Resumed) for e in events))],
        ["rounds without a quorum", str(sum(isinstance(e, RoundWithoutQuorum) for e in events))],
        *(_changed(event) for event in events if isinstance(event, PlanChanged)),
        *(
            ["taken back", f"the rounds after {e.round}, with updates of {e.site}"]
            for e in events
            if isinstance(e, TakenBack)
        ),
        ["medfl", __version__],
    ]
    return Section("The run", tables=[Table(["fact", "value"], rows, is_text=True)])


def _changed(event: PlanChanged) -> list[str]:
    what = "; ".join(f"{key}: {before} -> {now}" for key, before, now in event.changes)
    return [f"plan changed after round {event.round}", what]


def _when(event: Event) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(event.time))
