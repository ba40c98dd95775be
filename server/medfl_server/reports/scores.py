"""Sites' counts in the run log to curves and tables, per site and over all of them.

The scores in the event of round r are those of the weights before it, so of the model after round
r - 1; the event `finished` scores the final model, and `scored` the last one where it is another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medfl_common.metrics.counts import ScoreCounts, merge, scores
from medfl_common.metrics.subgroups import group_names
from medfl_common.plan.plan import Plan
from medfl_common.run.log import Event

ALL = "all sites"


@dataclass(frozen=True)
class Scored:
    """One model on one site's validation images, or on those of all sites together."""

    n: int
    loss: float
    confusion: list[Any]  # true class (row), predicted class (column); multilabel: per finding
    values: dict[str, float | None]  # of medfl_common.metrics.counts.scores


def score_counts_in(event: Event) -> dict[str, ScoreCounts]:
    """Read the counts of an event: site -> score counts, for the sites that let them out."""
    sites: dict[str, Any] = event["sites"]  # type: ignore[assignment]
    return {s: read_score_counts(facts["tally"]) for s, facts in sites.items() if "tally" in facts}


def read_score_counts(facts: Mapping[str, Any]) -> ScoreCounts:
    """Read score counts as the log keeps it."""
    counts = (np.array(facts[name]) for name in ("confusion", "positive", "negative"))
    return ScoreCounts(facts["n"], facts["loss"], *counts)


def score_counts_of_groups(event: Event, plan: Plan) -> dict[str, dict[str, ScoreCounts]]:
    """Add up the sites' counts by group: kind -> group -> score counts, for groups with images."""
    sites: dict[str, Any] = event["sites"]  # type: ignore[assignment]
    found: dict[str, dict[str, ScoreCounts]] = {}
    for kind, names in group_names(plan).items():
        told = [f["groups"][kind] for f in sites.values() if kind in f.get("groups", {})]
        for i, name in enumerate(names):
            parts = [read_score_counts(groups[i]) for groups in told if groups[i]["n"]]
            if parts:
                found.setdefault(kind, {})[name] = merge(parts)
    return found


def score_sites(event: Event) -> dict[str, Scored]:
    """Score each site of an event, and all together under ALL; empty where no counts came."""
    sites: dict[str, Any] = event["sites"]  # type: ignore[assignment]
    counted = score_counts_in(event)
    found = {}
    for site, score_counts in counted.items():
        values = scores(score_counts) | {"auc": sites[site].get("exact_auc")}  # exact at the site
        found[site] = _scored(score_counts, values)
    if counted:
        merged = merge([*counted.values()])
        found[ALL] = _scored(merged, scores(merged))
    return found


def curves(events: list[Event], value: str) -> dict[str, tuple[list[float], list[float]]]:
    """Follow `loss` or a score over rounds: name -> (rounds made, values) where it is known.

    Args:
        events: Events that hold scores, in order of the model that they score.
        value: `loss`, or a key of Scored.values.
    """
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for event in events:
        for name, scored in score_sites(event).items():
            number = scored.loss if value == "loss" else scored.values[value]
            if number is not None:
                x, y = lines.setdefault(name, ([], []))
                x.append(model_round(event))
                y.append(number)
    return lines


def model_round(event: Event) -> int:
    """Say after how many rounds the model was that an event scores."""
    return int(str(event["round"])) - (event["event"] == "round")


def _scored(score_counts: ScoreCounts, values: dict[str, float | None]) -> Scored:
    return Scored(score_counts.n, score_counts.loss, score_counts.confusion.tolist(), values)
