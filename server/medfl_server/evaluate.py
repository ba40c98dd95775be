"""Sites' counts in the run log to curves and tables, per site and over all of them.

The scores in the event of round r are those of the weights before it, so of the model after round
r - 1; the event `finished` scores the final model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from medfl_common.metrics import Tally, merge, scores
from medfl_common.runlog import Event

ALL = "all sites"


@dataclass(frozen=True)
class Scored:
    """One model on one site's held-out images, or on those of all sites together."""

    n: int
    loss: float
    confusion: list[Any]  # true class (row), predicted class (column); multilabel: per finding
    values: dict[str, float | None]  # accuracy, precision, recall, f1, auc


def tallies(event: Event) -> dict[str, Tally]:
    """Read the counts of an event: site -> tally, for the sites that let them out."""
    sites: dict[str, Any] = event["sites"]  # type: ignore[assignment]
    return {
        site: Tally(
            facts["tally"]["n"],
            facts["tally"]["loss"],
            *(np.array(facts["tally"][name]) for name in ("confusion", "positive", "negative")),
        )
        for site, facts in sites.items()
        if "tally" in facts
    }


def score_sites(event: Event) -> dict[str, Scored]:
    """Score each site of an event, and all together under ALL; empty where no counts came."""
    sites: dict[str, Any] = event["sites"]  # type: ignore[assignment]
    counted = tallies(event)
    found = {}
    for site, tally in counted.items():
        values = scores(tally) | {"auc": sites[site].get("exact_auc")}  # exact at the site
        found[site] = _scored(tally, values)
    if counted:
        merged = merge([*counted.values()])
        found[ALL] = _scored(merged, scores(merged))
    return found


def curves(events: list[Event], value: str) -> dict[str, tuple[list[float], list[float]]]:
    """Follow `loss` or a score over rounds: name -> (rounds made, values) where it is known.

    Args:
        events: `round` events in order, then `finished` if there is one.
        value: `loss`, or a key of Scored.values.
    """
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for event in events:
        made = int(str(event["round"])) - (event["event"] == "round")
        for name, scored in score_sites(event).items():
            number = scored.loss if value == "loss" else scored.values[value]
            if number is not None:
                x, y = lines.setdefault(name, ([], []))
                x.append(made)
                y.append(number)
    return lines


def _scored(tally: Tally, values: dict[str, float | None]) -> Scored:
    return Scored(tally.n, tally.loss, tally.confusion.tolist(), values)
