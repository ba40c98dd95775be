"""Events of a run log in a line each, as a coordinator reads them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from medfl_common.run.decisions import PlanChanged, RosterChanged, Stopped, TakenBack
from medfl_common.run.events import (
    Asked,
    Event,
    FileScored,
    Finished,
    LateReply,
    LedgerSetBack,
    ModelScored,
    Paused,
    Resumed,
    RoundMade,
    RoundWithoutQuorum,
    ScoredOnTest,
    ScoredOutside,
    Started,
    Statistics,
)

MOST_NAMES = 5  # in a sentence


@dataclass(frozen=True)
class Happened:
    """One line: when, what, and how it looks."""

    time: float  # seconds since 1970
    text: str
    look: str = ""  # good, warn, bad

    @property
    def when(self) -> str:
        """Write the time."""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.time))


def listed(names: list[str], most: int = MOST_NAMES) -> str:
    """Write the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def happened(event: Event) -> Happened | None:
    """Say what an event was; None: nothing that a person has to see."""
    say = WORDS.get(type(event))
    if say is None:
        return None
    text, look = say(event)
    return Happened(event.time, text, look)


def _absent(missing: Mapping[str, str]) -> str:
    return listed([f"{site} gave nothing ({why})" for site, why in missing.items()], 2)


def _round(event: RoundMade) -> tuple[str, str]:
    n = len(event.sites)
    text = f"round {event.round} was made with {n} hospital{'s' * (n != 1)}"
    text += f" in {event.seconds:.1f} s"
    if event.void:
        return f"round {event.round} changed nothing: {event.void}", "bad"
    if not event.missing:
        return text, ""
    return f"{text}; {_absent(event.missing)}", "bad" if event.quarantined else "warn"


def _empty(event: RoundWithoutQuorum) -> tuple[str, str]:
    text = f"round {event.round}: too few good replies, so the model did not change"
    return f"{text}; {_absent(event.missing)}" if event.missing else text, "bad"


def _paused(event: Paused) -> tuple[str, str]:
    if "by" not in event.facts:
        return f"paused after round {event.round}: too few hospitals answered too often", "bad"
    return f"{event.facts['by']} paused it after round {event.round}: {event.facts['message']}", ""


def _roster(event: RosterChanged) -> tuple[str, str]:
    change, site, by = (str(event.facts[key]) for key in ("change", "site", "by"))
    what = {
        "enrolled": f"{by} enrolled {site}", "keys replaced": f"{by} gave {site} new keys",
        "revoked": f"{by} revoked {site}", "asked to join": f"{site} asked to join",
        "refused": f"{site} was refused a place",
        "fingerprint compared": f"{by} compared the fingerprint of {site} by telephone",
    }.get(change, f"{site}: {change}")  # fmt: skip
    why = str(event.facts.get("why", ""))
    return f"{what} ({why})" if why else what, "warn" if change in ("revoked", "refused") else ""


def _plan(event: PlanChanged) -> tuple[str, str]:
    changes = [f"{key} {before} → {now}" for key, before, now in event.changes]
    return f"{event.facts['by']} changed the plan: {listed(changes)}", ""


def _scored(what: str) -> Callable[[Any], tuple[str, str]]:
    def say(event: Asked) -> tuple[str, str]:
        n = len(event.sites)
        return f"{n} hospital{'s' * (n != 1)} scored {what.format(event.round)}", ""

    return say


WORDS: dict[type[Event], Callable[[Any], tuple[str, str]]] = {
    Started: lambda e: (f"the study began with {listed(e.roster)}", ""),
    Resumed: lambda e: (f"went on after round {e.round}", ""),
    Paused: _paused,
    LateReply: lambda e: (f"a reply of {e.site} came too late and was dropped", "warn"),
    LedgerSetBack: lambda e: (
        f"the ledger of {e.facts['site']} lost line {e.facts['line']}, which was told before: "
        "ask the hospital why", "bad",
    ),
    RosterChanged: _roster,
    PlanChanged: _plan,
    TakenBack: lambda e: (
        f"{e.facts['by']} took {e.facts['n_rounds']} rounds back, to make them without {e.site}",
        "warn",
    ),
    Stopped: lambda e: (
        f"{e.facts['by']} ended it after round {e.round}, with the best so far: {e.reason}", "warn",
    ),
    Statistics: lambda e: (f"{len(e.sites)} hospitals counted their data", ""),
    RoundMade: _round,
    RoundWithoutQuorum: _empty,
    ModelScored: _scored("the last model, of round {}"),
    ScoredOnTest: _scored("the result, of round {}, on test patients"),
    ScoredOutside: _scored("the model of round {}, which they did not train"),
    FileScored: _scored("the weights of a file"),
    Finished: lambda e: (f"finished; the result is the model of round {e.round}", "good"),
}  # fmt: skip
