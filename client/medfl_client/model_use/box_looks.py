"""Images of a case with its boxes, and a model's beside them, for people at the hospital."""

from pathlib import Path

import numpy as np

from medfl_client.data.boxed import Boxes
from medfl_client.data.boxes.slices import in_slice, through_findings
from medfl_client.data.dataset import SiteData
from medfl_client.data.ingest import Collection
from medfl_client.model_use.found_boxes import found_of
from medfl_client.model_use.looks import (
    N_SLICES,
    SIDE,
    Model,
    eight_bits,
    empty,
    rows_of,
    write_tiles,
)
from medfl_client.training.box_matching import match_by_centre
from medfl_client.training.detections import Found
from medfl_common.metrics.box_counts import EXTRA, HIT
from medfl_common.plan.dense import FROM_SCORE
from medfl_common.plan.plan import Plan
from medfl_common.ui.overlay import boxed


def write_boxes(
    collection: Collection, place: int, plan: Plan, model: Model | None, folder: Path
) -> list[Path]:
    """Write a case's images with its boxes: of a volume the slices through the findings.

    With a model its boxes are beside the site's, on the right.
    """
    assert collection.boxes is not None
    pixels = np.asarray(collection.pixels[collection.rows[place]])
    shown = [collection.boxes[place]]
    if model is not None:
        found = found_of(model.network, pixels, plan, model.device, FROM_SCORE)
        shown.append(as_boxes(found))
    places = [0]
    if pixels.ndim == 4:
        places = through_findings(np.concatenate(shown), pixels.shape[1], N_SLICES)
    else:
        pixels = pixels[:, None]
    empty(folder)
    paths = []
    for at in places:
        paths.append(folder / f"slice-{at + 1:03d}.png")
        image = eight_bits(pixels[:, at])
        own = [in_slice(one, at) if plan.images.dimensions == 3 else one for one in shown]
        write_tiles(paths[-1], [boxed(image, one, SIDE) for one in own])
    return paths


def as_boxes(found: Found) -> Boxes:
    """Give what a model found as the boxes of an image, (n, 1 + 2 d)."""
    return np.column_stack([found.classes, found.boxes]).astype(np.float32)


def worst_boxed(
    data: SiteData, collection: Collection, plan: Plan, model: Model, n: int
) -> list[tuple[int, str]]:
    """Give the places of the cases with the most boxes missed or false, and how many, worst first.

    Of validation and test cases with any, by the boxes from FROM_SCORE on and their centres.
    """
    assert collection.boxes is not None
    place_of = {int(row): place for place, row in enumerate(collection.rows)}
    faults: list[tuple[int, int, int, int]] = []
    for row in (row for part in (data.validation, data.test) for row in rows_of(part)):
        place = place_of[row]
        pixels = np.asarray(collection.pixels[row])
        found = found_of(model.network, pixels, plan, model.device, FROM_SCORE)
        missed, false = _faults(found, collection.boxes[place], len(plan.task.classes))
        faults.append((-missed - false, place, missed, false))
    told = sorted(one for one in faults if one[0])[:n]
    return [(place, f"{missed} missed, {false} false, ") for _, place, missed, false in told]


def _faults(found: Found, truths: Boxes, n_classes: int) -> tuple[int, int]:
    """Count the true boxes that are not found, and the found ones at no true one."""
    n_hit, n_false = 0, 0
    for k in range(n_classes):
        own = found.boxes[found.classes == k].astype(np.float64)
        outcome = match_by_centre(own, truths[truths[:, 0] == k, 1:].astype(np.float64))
        n_hit += int((outcome == HIT).sum())
        n_false += int((outcome == EXTRA).sum())
    return len(truths) - n_hit, n_false
