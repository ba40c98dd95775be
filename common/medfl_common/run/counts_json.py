"""Score counts as the run log keeps them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medfl_common.files import Json
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.effect_numbers import CLUSTERS, clusters_from_numbers, clusters_to_numbers


def counts_to_json(counts: ScoreCounts) -> Json:
    """Write score counts."""
    told = clusters_to_numbers(counts.clusters)
    return {
        "n": counts.n,
        "loss": counts.loss,
        "confusion": counts.confusion.tolist(),
        "positive": counts.positive.tolist(),
        "negative": counts.negative.tolist(),
        **({} if told is None else {CLUSTERS: [*told]}),
        **({"noise": counts.noise} if counts.noise else {}),
    }


def counts_from_json(facts: Mapping[str, Any]) -> ScoreCounts:
    """Read them."""
    confusion, positive, negative = (
        np.array(facts[name]) for name in ("confusion", "positive", "negative")
    )
    told = facts.get(CLUSTERS)  # a log of an earlier version has none
    clusters = None if told is None else clusters_from_numbers(np.array(told))
    noise = facts.get("noise", 0.0)
    return ScoreCounts(facts["n"], facts["loss"], confusion, positive, negative, clusters, noise)
