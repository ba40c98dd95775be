"""A study's own metrics, of the counts that the sites sent anyway."""

import math

import numpy as np

from medfl_common.errors import ConfigError
from medfl_common.metrics.counts import MAX_LOGIT, ScoreCounts
from medfl_common.parts.metrics import METRICS, Counted
from medfl_common.plan.own_parts import own_part
from medfl_common.plan.plan import Plan


def own_scores(counts: ScoreCounts, plan: Plan) -> dict[str, float | None]:
    """Compute the plan's own metrics; None where one is no finite number."""
    return {name: _value(name, counts, plan) for name in plan.evaluation.own_metrics}


def _value(name: str, counts: ScoreCounts, plan: Plan) -> float | None:
    edges = np.linspace(-MAX_LOGIT, MAX_LOGIT, counts.positive.shape[1] + 1)[1:-1]
    seen = Counted(counts.n, counts.loss, counts.confusion, counts.positive, counts.negative, edges)
    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # of a class without images
            value = float(own_part(METRICS, name, plan)(seen))
    except (ArithmeticError, TypeError, ValueError, LookupError) as error:
        raise ConfigError(
            f"the metric {name} gives no number: {error}", todo="correct it"
        ) from error
    return value if math.isfinite(value) else None
