"""What a result is not: a model that training did not improve, without scores, or of one class."""

import numpy as np

from medfl_common.metrics.box_counts import WITH
from medfl_common.metrics.counts import merge
from medfl_common.metrics.mask_counts import IN_TRUTH
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked, Finished, ScoredOnTest
from medfl_server.reports.scores import (
    box_counts_in,
    mask_counts_in,
    n_scored_in,
    score_counts_in,
)


def marks(event: Asked, plan: Plan) -> list[str]:
    """Say, in a sentence each, what a reader of the newest scores must know first."""
    found = []
    if isinstance(event, Finished | ScoredOnTest) and event.round == 0:
        found.append(
            "It is the initial model: no round of training was better, so it learned nothing from "
            "the hospitals."
        )
    counted = n_scored_in(event)
    if isinstance(event, Finished) and counted and plan.evaluation.test:
        chose = event.choice is None or event.choice.is_best
        found.append(
            "No hospital scored it on a test part: none is large enough, or their policies "
            "withhold it. These figures are of the validation part"
            f"{', which chose the model' if chose else ''}."
        )
    if not counted:
        found.append(f"{_why_unscored(event, plan)}, so nothing says how good the model is.")
    elif plan.task.is_dense:
        n_with = _images_with(event)
        nowhere = [name for name, n in zip(plan.task.foreground, n_with, strict=True) if not n]
        if nowhere:
            found.append(
                f"No scored image is known to have {', '.join(nowhere)}, or too few do, so the "
                "scores say nothing of it."
            )
    elif plan.task.type != "multilabel":
        whole_counts = merge([*score_counts_in(event).values()])
        n_images = np.sum(whole_counts.confusion, axis=1)  # by true class
        (present,) = np.nonzero(n_images)
        if len(present) == 1:
            found.append(
                f"Every scored image is of the class {plan.task.classes[present[0]]}, so the "
                "scores do not say whether the model tells the classes apart."
            )
    return found


def _why_unscored(event: Asked, plan: Plan) -> str:
    if not event.sites:
        return "No hospital scored it"
    if event.pooled is not None:
        return (
            "No scores were summed: policies withhold them (min_cell, metrics), or fewer hospitals "
            "added any than a sum must have"
        )
    if plan.privacy.noise is not None and not plan.privacy.noise.scores:
        return "The plan lets no scores leave (privacy.noise.scores: 0)"
    return "The hospitals' policies withhold its scores"


def _images_with(event: Asked) -> list[int]:
    """Count the images of all sites that have each foreground class of masks or boxes."""
    found = [counts.cases[:, IN_TRUTH] for counts in mask_counts_in(event).values()]
    found += [counts.images[:, WITH] for counts in box_counts_in(event).values()]
    n_images: list[int] = np.sum(found, axis=0).tolist()
    return n_images
