"""What the counts of masks and of boxes have in common: they add up, and score classes."""

from collections.abc import Sequence

from medfl_common.metrics.box_counts import BoxCounts, merge_boxes
from medfl_common.metrics.box_estimates import box_scores, fewest_with
from medfl_common.metrics.mask_counts import MaskCounts, merge_masks
from medfl_common.metrics.mask_estimates import fewest_cases, mask_scores

DenseCounts = MaskCounts | BoxCounts


def merge_dense(parts: Sequence[DenseCounts]) -> DenseCounts:
    """Add up the counts of disjoint sets, all of one kind."""
    masks = [one for one in parts if isinstance(one, MaskCounts)]
    boxes = [one for one in parts if isinstance(one, BoxCounts)]
    return merge_masks(masks) if masks else merge_boxes(boxes)


def dense_scores(counts: DenseCounts) -> dict[str, float | None]:
    """Score all classes: the unweighted mean over those that have a value."""
    return mask_scores(counts) if isinstance(counts, MaskCounts) else box_scores(counts)


def fewest_in(counts: DenseCounts) -> int:
    """Count the images with the rarest of the classes that have any; 0: none has."""
    return fewest_cases(counts) if isinstance(counts, MaskCounts) else fewest_with(counts)


def main_dense_score(counts: DenseCounts) -> tuple[str, str]:
    """Name the score that stands first, and write its name."""
    return ("dice", "Dice") if isinstance(counts, MaskCounts) else ("froc", "FROC")
