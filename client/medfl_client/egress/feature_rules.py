"""When the moments of a site's features may leave: asked for by the plan, and of enough images."""

import numpy as np

from medfl_client.config.site_file import Policy
from medfl_common.metrics.clusters import PatientImages
from medfl_common.plan.plan import Plan
from medfl_common.wire.results import TrainResult
from medfl_common.wire.tasks import TrainTask


def may_tell(result: TrainResult, task: TrainTask, policy: Policy) -> bool:
    """Say whether a result's features may leave; of patients too, at least the smallest cell."""
    if task.kind != "evaluate" or result.features is None:
        return False
    whose = None if result.score_counts is None else result.score_counts.clusters
    is_known = isinstance(whose, PatientImages)
    n_patients = len(np.unique(whose.patient)) if isinstance(whose, PatientImages) else 0
    is_enough = not is_known or n_patients >= policy.min_cell
    return is_enough and why_not(result.features.n, task.plan, policy) == ""


def why_not(n_images: int, plan: Plan, policy: Policy) -> str:
    """Name the setting that keeps features of so many images back; empty: none does."""
    if not plan.evaluation.feature_statistics or not policy.share_features:
        return "share_features"
    return "min_images" if n_images < policy.min_images else ""
