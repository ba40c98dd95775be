"""The loss of a detection: a heat-map of centres, and the sides of a box at each.

Zhou, Wang, Kraehenbuehl: Objects as Points. 2019. https://arxiv.org/abs/1904.07850
Each image's loss is divided by its own number of boxes, and a batch's is the mean of its images',
so the halves of a batch add up to the whole. An image without a box counts as one with one.
A row with a class and sides of NaN says that nobody knows of it: its heat-map has no loss.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import logsigmoid

from medfl_common.plan.plan import Plan

ALPHA, BETA = 2, 4  # of the focal loss; Law, Deng: CornerNet. ECCV 2018
SPREAD = 0.54 / 6  # deviation in sides; Liu et al.: Training-Time-Friendly Network. AAAI 2020
LEAST_SPREAD = 1.0  # pixels: of a small lesion, too, the places next to its centre learn
LEAST_SIDE = 1e-3  # pixels
REACH = 3  # deviations up to which a box's Gaussian goes


def box_loss(plan: Plan) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Give the loss of maps (B, K + d, [D,] H, W) against boxes (B, M, 1 + 2 d)."""
    n_classes = plan.task.n_outputs

    def loss(maps: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        parts = [
            _of_image(own, given, n_classes)
            for own, given in zip(maps.float(), boxes.cpu(), strict=True)
        ]
        return torch.stack(parts).sum() / max(len(parts), 1) if parts else maps.sum() * 0

    return loss


def _of_image(maps: torch.Tensor, boxes: torch.Tensor, n_classes: int) -> torch.Tensor:
    heat, weights, sides = (part.to(maps.device) for part in truth_of(boxes, maps, n_classes))
    n_boxes = max(int(_is_box(boxes).sum()), 1)
    apart = (maps[n_classes:] - sides).abs().mean(dim=0)
    logits, unknown = maps[:n_classes], {*boxes[boxes[:, 1:].isnan().any(dim=1), 0].tolist()}
    asked = [k for k in range(n_classes) if k not in unknown]
    if len(asked) < n_classes:
        logits, heat = logits[asked], heat[asked]
    return (_focal(logits, heat) + (apart * weights).sum()) / n_boxes


def _is_box(boxes: torch.Tensor) -> torch.Tensor:
    """Say which rows are boxes: others pad (all NaN), or say that nobody knows of a class."""
    return ~boxes.isnan().any(dim=1)


def _focal(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Sum the focal loss over all places; near a centre a false answer is penalised less."""
    sure, unsure = logsigmoid(logits), logsigmoid(-logits)
    at_centre = -((1 - sure.exp()) ** ALPHA) * sure
    elsewhere = -((1 - heat) ** BETA) * (1 - unsure.exp()) ** ALPHA * unsure
    return torch.where(heat == 1, at_centre, elsewhere).sum()


def truth_of(
    boxes: torch.Tensor, maps: torch.Tensor, n_classes: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Paint boxes (M, 1 + 2 d) as what an image's maps (K + d, [D,] H, W) should be.

    Returns:
        heat: (K, ...) 1 at each centre's pixel, a Gaussian around it; the larger one counts.
        weights: (...) of the sides; those of a box add up to 1.
        sides: (d, ...) log sides in pixels, of the box whose Gaussian is larger there; of boxes
            with one centre those of the smaller.
    """
    lengths = maps.shape[1:]
    d = len(lengths)
    heat, weights = torch.zeros(n_classes, *lengths), torch.zeros(lengths)
    sides, owner = torch.zeros(d, *lengths), torch.full(lengths, -1)
    known = boxes[_is_box(boxes)].double()
    order = torch.argsort(known[:, 1 + d :].prod(dim=1), descending=True, stable=True)
    for number, box in enumerate(known[order].tolist()):  # the smaller one later: it wins a draw
        own, centre, extent = int(box[0]), box[1 : 1 + d], box[1 + d :]
        place, around = _gaussian(centre, extent, lengths)
        heat[own][place] = torch.maximum(heat[own][place], around)
        is_own = around >= weights[place]
        weights[place][is_own], owner[place][is_own] = around[is_own], number
        for axis, side in enumerate(extent):
            sides[axis][place][is_own] = math.log(max(side, LEAST_SIDE))
    for number in range(len(known)):
        is_own = owner == number
        weights[is_own] /= weights[is_own].sum()
    return heat, weights, sides


def _gaussian(
    centre: Sequence[float], sides: Sequence[float], lengths: Sequence[int]
) -> tuple[tuple[slice, ...], torch.Tensor]:
    """Give where a box's Gaussian lies, and its values: 1 at the pixel that holds the centre."""
    around, place = torch.ones((), dtype=torch.float64), []
    for at, side, length in zip(centre, sides, lengths, strict=True):
        middle = min(max(int(at), 0), length - 1)
        spread = max(SPREAD * side, LEAST_SPREAD)
        reach = int(REACH * spread)
        first, last = max(middle - reach, 0), min(middle + reach, length - 1)
        steps = torch.arange(first, last + 1, dtype=torch.float64) - middle
        around = around[..., None] * torch.exp(-(steps**2) / (2 * spread**2))
        place.append(slice(first, last + 1))
    return tuple(place), around.float()
