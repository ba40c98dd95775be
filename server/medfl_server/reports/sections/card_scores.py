"""The scores of masks or boxes on a model card: each site by its letter."""

from collections.abc import Mapping

from medfl_common.metrics.box_counts import merge_boxes
from medfl_common.metrics.box_estimates import box_estimates
from medfl_common.metrics.mask_counts import merge_masks
from medfl_common.metrics.mask_estimates import mask_estimates
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Asked
from medfl_common.ui.page import Section, Table
from medfl_server.reports.scores import box_counts_in, mask_counts_in, part_of
from medfl_server.reports.sections.boxes import box_table, in_box_cells
from medfl_server.reports.sections.masks import in_cells, mask_table
from medfl_server.reports.sections.shared import main_score, second_score


def dense_scores_section(plan: Plan, event: Asked, letters: Mapping[str, str]) -> Section:
    """Show the two first scores at each site, and all over all sites."""
    scores = (main_score(plan), second_score(plan))
    rows = []
    for name, mask in mask_counts_in(event).items():
        found = mask_estimates(mask)
        cells = [cell for score, _ in scores for cell in in_cells(score, found[score])]
        rows.append([letters[name], str(mask.n), *cells])
    for name, boxes in box_counts_in(event).items():
        found = box_estimates(boxes)
        cells = [cell for score, _ in scores for cell in in_box_cells(found[score])]
        rows.append([letters[name], str(boxes.n), *cells])
    header = ["site", "images", *(cell for _, word in scores for cell in (word, "95 % interval"))]
    return Section(
        "Scores", [_text(plan, event)], tables=[_whole(plan, event), Table(header, rows)]
    )


def _whole(plan: Plan, event: Asked) -> Table:
    if plan.task.has_boxes:
        return box_table(merge_boxes([*box_counts_in(event).values()]))
    return mask_table(merge_masks([*mask_counts_in(event).values()]), plan)


def _text(plan: Plan, event: Asked) -> str:
    text = f"On the {part_of(event)} part of each site's patients."
    if plan.task.has_masks:
        near = f"{plan.evaluation.surface_mm:g} {plan.images.distance_unit}"
        return f"{text} NSD, the surface Dice, at {near}."
    where = "a true box" if plan.images.dimensions == 2 else "the ellipsoid in a true box"
    return (
        f"{text} FROC: the mean sensitivity at 1/8 to 8 false positives an image, where the centre "
        f"of what the model draws is within {where}. AP50: overlap by half."
    )
