"""The best round so far, and its JSON; see events."""

from dataclasses import dataclass

from medfl_common.files import Json
from medfl_common.run.site_reply import Facts


@dataclass(frozen=True)
class Best:
    """A round's model and its value; a higher value is better (a loss is taken negative)."""

    round: int
    value: float


def best_of(meta: Facts) -> Best | None:
    """Read the best round from a checkpoint's facts or an event's."""
    facts = meta.get("best")
    return Best(int(facts["round"]), float(facts["value"])) if isinstance(facts, dict) else None


def best_to_json(best: Best | None) -> Json:
    """Give the JSON of the log."""
    return None if best is None else {"round": best.round, "value": best.value}
