"""What leaves of whose images were scored: design effects, rounded, none of few patients."""

import numpy as np

from medfl_common.metrics.clusters import DesignEffects, PatientImages
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.design_effects import design_effects
from medfl_common.metrics.effect_numbers import PARTS
from medfl_common.plan.plan import Plan


def released_effects(counts: ScoreCounts, plan: Plan, min_cell: int) -> DesignEffects | None:
    """Compute the design effects of scores; 0 for one with fewer patients than the smallest cell.

    None where the site does not know whose images they are.
    """
    images = counts.clusters
    if not isinstance(images, PatientImages):
        return None
    is_quadratic = plan.task.type == "ordinal"
    found = design_effects(counts, images, plan.evaluation.specificity, is_quadratic)
    is_kept_back = found.patients < min_cell
    n = 0 if (found.n_patients or 0) < min_cell else found.n_patients or 0
    values = np.where(is_kept_back | (n == 0), 0.0, np.rint(found.values * PARTS) / PARTS)
    return DesignEffects(values, np.full(len(values), n))
