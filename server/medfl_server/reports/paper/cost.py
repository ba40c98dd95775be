"""What a study cost: hours of work, messages and megabytes at each hospital."""

from collections import defaultdict
from dataclasses import dataclass

from medfl_common.run.events import Asked, RoundMade
from medfl_common.ui.page import Section, Table
from medfl_server.reports.paper.facts import Facts

MB = 1e6
HEADER = ["site", "rounds answered", "hours of work", "messages", "MB sent", "MB received"]
TEXT = (
    "Hours are the hospital's own time for its answers, as it told them: training and scoring, "
    "not the waiting. Megabytes are those of arrays and numbers in accepted answers, without the "
    "transport's framing."
)


@dataclass
class Cost:
    """What one hospital's answers cost."""

    n_rounds: int = 0
    seconds: float = 0.0
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
            one.seconds += float(reply.facts.get("seconds", 0.0))
            one.n_messages += 1
            one.sent += reply.bytes_received
            one.received += reply.bytes_sent
    return dict(found)


def cost_section(facts: Facts) -> Section:
    """Lay the costs out by hospital; the days are those from the first event to the last."""
    found = costs(facts)
    rows = [[site, *_cells(one)] for site, one in found.items()]
    if not rows:
        return Section("What it cost", ["Nothing yet."])
    hours = (facts.events[-1].time - facts.events[0].time) / 3600
    text = f"From the first event to the last: {hours:.2f} hours. {TEXT}"
    return Section("What it cost", [text], tables=[Table(HEADER, rows)])


def in_words(facts: Facts) -> str:
    """Say what it cost in all; empty: nobody answered."""
    found = [*costs(facts).values()]
    if not found:
        return ""
    hours, sent = sum(one.seconds for one in found) / 3600, sum(one.sent for one in found) / MB
    return (
        f"{len(found)} hospitals worked {hours:.2f} hours together and sent {sent:,.1f} MB in "
        f"{sum(one.n_messages for one in found)} answers."
    )


def _cells(one: Cost) -> list[str]:
    return [
        str(one.n_rounds), f"{one.seconds / 3600:.3f}", str(one.n_messages),
        f"{one.sent / MB:,.2f}", f"{one.received / MB:,.2f}",
    ]  # fmt: skip
