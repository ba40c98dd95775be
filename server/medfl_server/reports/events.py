"""What the events of a run log keep of the sites."""

from typing import Any

from medfl_common.run.log import Event

ASKED = ("statistics", "round", "round_without_quorum", "scored", "finished")  # hold sites' replies


def sites_of(event: Event) -> dict[str, Any]:
    """Give what an event keeps of each site."""
    return mapping(event["sites"])


def mapping(value: Any) -> dict[str, Any]:
    """Take a value of the log for a mapping."""
    return dict(value)


def site_names(events: list[Event]) -> list[str]:
    """List the roster, as the first event has it, then the sites that were enrolled later."""
    names: dict[str, None] = {}
    for event in events:
        if event["event"] == "started":
            names |= dict.fromkeys(map(str, event["sites"]))  # type: ignore[arg-type]
        elif event["event"] in ASKED:
            names |= dict.fromkeys([*sites_of(event), *mapping(event["missing"])])
    return [*names]
