"""Whether every hospital tells how alike a patient's images are, for one score.

In a sum of counts the design effect of some stands for the others: an interval of it may be too
narrow for a claim.
"""

from medfl_common.metrics.box_counts import BoxCounts
from medfl_common.metrics.box_estimates import EFFECT_OF
from medfl_common.metrics.clusters import SCORES, DesignEffects
from medfl_common.metrics.counts import ScoreCounts
from medfl_common.metrics.mask_counts import EFFECTS, IN_TRUTH, MASK_EFFECTS, MaskCounts
from medfl_common.run.events import Asked
from medfl_server.reports.scores import box_counts_in, mask_counts_in, score_counts_in


def all_tell(scored: Asked, metric: str) -> bool:
    """Say whether each site with scores tells a design effect of the metric, where it has any.

    A sum of several hospitals tells one only if all of them do: see wire.pooled_effects.
    """
    if masks := mask_counts_in(scored):
        return all(masks_tell(one, metric) for one in masks.values())
    if boxes := box_counts_in(scored):
        return all(boxes_tell(one, metric) for one in boxes.values())
    return all(_images_tell(one, metric) for one in score_counts_in(scored).values() if one.n)


def masks_tell(counts: MaskCounts, metric: str) -> bool:
    """Say it of one site's masks: of each class that a case has."""
    if counts.effects is None:
        return False
    told = counts.effects[:, EFFECTS[MASK_EFFECTS.index(metric)]] > 0
    return bool((told | (counts.cases[:, IN_TRUTH] == 0)).all())


def boxes_tell(counts: BoxCounts, metric: str) -> bool:
    """Say it of one site's boxes: of each class that has a true one."""
    told = counts.effects[:, EFFECT_OF.index(metric)] > 0
    return bool((told | (counts.truths == 0)).all())


def _images_tell(counts: ScoreCounts, metric: str) -> bool:
    """Say it of one site's images; in noisy counts a patient weighs one."""
    if counts.noise:
        return True
    told = counts.clusters
    return isinstance(told, DesignEffects) and bool(told.values[SCORES.index(metric)] > 0)
