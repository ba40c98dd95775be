"""What a study cost: hours of work, messages and megabytes at each hospital."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from medfl_common.run.events import Asked, RoundMade
from medfl_common.ui.page import Section, Table
from medfl_server.reports.flow import hours_of
from medfl_server.reports.paper.facts import Facts

MB = 1e6
HEADER = ["site", "rounds answered", "messages", "MB sent", "MB received"]
DEVICES = {"cuda": "GPU hours", "cpu": "processor hours"}
OTHER = "hours, device not told"
TEXT = (
    "Hours are the hospital's own time for its answers, as it told them: training and scoring, "
    "not the waiting. Megabytes are those of arrays and numbers in accepted answers, without the "
    "transport's framing."
)


@dataclass
class Cost:
    """What one hospital's answers cost."""

    n_rounds: int = 0
    hours: dict[str, float] = field(default_factory=dict)  # by DEVICES, or OTHER
    n_messages: int = 0
    sent: int = 0  # bytes, by the hospital
    received: int = 0


def costs(facts: Facts) -> dict[str, Cost]:
    """Add up the answers of each hospital."""
    found: dict[str, Cost] = defaultdict(Cost)
    for event in facts.of_kind(Asked):
        for site, reply in event.sites.items():
            one = found[site]
            one.n_rounds += isinstance(event, RoundMade)
            one.n_messages += 1
            one.sent += reply.bytes_received
            one.received += reply.bytes_sent
    for told in hours_of(facts.events):
        for device, hours in told.by_device.items():
            own, name = found[told.site].hours, DEVICES.get(device, OTHER)
            own[name] = own.get(name, 0.0) + hours
    return dict(found)


def cost_section(facts: Facts) -> Section:
    """Lay the costs out by hospital; the days are those from the first event to the last."""
    found = costs(facts)
    if not found:
        return Section("What it cost", ["Nothing yet."])
    kinds = [*dict.fromkeys(kind for one in found.values() for kind in one.hours)]
    rows = [[site, *_cells(one, kinds)] for site, one in found.items()]
    hours = (facts.events[-1].time - facts.events[0].time) / 3600
    text = f"From the first event to the last: {hours:.2f} hours. {TEXT}"
    return Section("What it cost", [text], tables=[Table([*HEADER, *kinds], rows)])


def in_words(facts: Facts) -> str:
    """Say what it cost in all; empty: nobody answered."""
    found = [*costs(facts).values()]
    if not found:
        return ""
    hours: dict[str, float] = {}
    for one in found:
        for kind, spent in one.hours.items():
            hours[kind] = hours.get(kind, 0.0) + spent
    worked = ", ".join(f"{spent:.2f} {kind}" for kind, spent in hours.items()) or "hours not told"
    return (
        f"{len(found)} {'hospitals' if facts.read is None else 'simulated hospitals'} worked "
        f"together: {worked}; they {'sent' if facts.read is None else 'would have sent'} "
        f"{sum(one.sent for one in found) / MB:,.1f} MB in "
        f"{sum(one.n_messages for one in found)} answers."
    )


def _cells(one: Cost, kinds: Sequence[str]) -> list[str]:
    return [
        str(one.n_rounds), str(one.n_messages), f"{one.sent / MB:,.2f}",
        f"{one.received / MB:,.2f}", *(f"{one.hours.get(kind, 0.0):.3f}" for kind in kinds),
    ]  # fmt: skip
