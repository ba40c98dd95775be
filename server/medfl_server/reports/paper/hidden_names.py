"""A run log whose hospitals have letters, so that what is made of it may be published."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from medfl_common.run.compared import Compared
from medfl_common.run.decisions import RosterChanged, Stopped, TakenBack
from medfl_common.run.events import (
    QUARANTINED,
    Asked,
    DataRead,
    Event,
    Finished,
    LateReply,
    LedgerSetBack,
    Started,
)

SILENT = "no answer"
SITE = "site"  # the fact that names one hospital
OUT, COARSE = ("left_out", "left_out_parts"), "left out; the report has the reasons"
Names = Mapping[str, str]


def with_names(events: Sequence[Event], names: Names) -> list[Event]:
    """Give the events with each hospital called by another name; the log stays as it is.

    Why a hospital did not answer may hold its name, so of the reasons only the kind is kept.

    Args:
        events: Of the run log.
        names: What to call each hospital.
    """
    return [_renamed(event, names) for event in events]


def _renamed(event: Event, names: Names) -> Event:
    if isinstance(event, Asked):
        return _asked(event, names)
    facts = dict(event.facts)
    if isinstance(event, Started):
        facts["sites"] = [names.get(site, site) for site in event.roster]
    elif isinstance(event, LateReply | LedgerSetBack | TakenBack | RosterChanged):
        facts[SITE] = names.get(str(facts[SITE]), "another site")
    elif isinstance(event, Stopped):  # the reason may hold any name
        facts |= {"by": "", "reason": ""}
    elif isinstance(event, Compared):
        facts["name"] = names.get(event.name, event.name)
    elif isinstance(event, DataRead):
        facts["sources"] = _folders(facts["sources"], names)
    return type(event)(facts)


def _asked(event: Asked, names: Names) -> Asked:
    """Rename the replies as they were read, whatever is still to be read of them."""
    found, facts = copy(event), dict(event.facts)
    facts["sites"] = _by_name(dict(facts.get("sites", {})), names)
    facts["missing"] = {
        names.get(site, site): f"{QUARANTINED}not admitted" if site in event.quarantined else SILENT
        for site in event.missing
    }
    if event.scores is not None:
        facts["scores"] = {**event.scores, "sites": _by_name(event.scores["sites"], names)}
    if isinstance(event, Finished) and event.choice is not None:
        sites = [names.get(site, site) for site in event.choice.sites]
        facts["choice"] = replace(event.choice, sites=sites).to_json()
    object.__setattr__(found, "facts", facts)
    found.__dict__["sites"] = _by_name(event.sites, names)
    return found


def _by_name(found: Mapping[str, Any], names: Names) -> dict[str, Any]:
    return {names.get(site, site): one for site, one in found.items()}


def _coarse(reasons: Mapping[str, int]) -> dict[str, int]:
    """Join reasons under a fixed word: their own may hold words of a header."""
    n = sum(reasons.values())
    return {COARSE: n} if n else {}


def _folders(sources: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Call a data folder as its hospital, or by its number: a folder's name may name somebody."""
    return {
        names.get(folder, f"folder {i}"): {
            **facts,
            **{what: _coarse(facts[what]) for what in OUT if what in facts},
        }
        for i, (folder, facts) in enumerate(sources.items(), start=1)
    }
