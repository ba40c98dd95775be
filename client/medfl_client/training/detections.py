"""What a detection network finds: the peaks of its heat-maps, with the box at each."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool2d, max_pool3d

from medfl_client.data.boxed import clipped
from medfl_client.training.box_matching import overlap
from medfl_common.plan.dense import MOST_PEAKS, SAME_BOX
from medfl_common.plan.plan import Plan


@dataclass(frozen=True)
class Found:
    """What is found in one image, the surest first.

    classes: (n,) int64 places in the plan. scores: (n,) float32, 0..1. boxes: (n, 2 d) float32
    centre ([z,] y, x) and sides ([d,] h, w), in pixels of the network's input, as in BoxedImages.
    """

    classes: NDArray[np.int64]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]


def found_in(maps: torch.Tensor, plan: Plan) -> list[Found]:
    """Read (B, K + d, [D,] H, W) maps of a network, as `logits_of` gives them.

    A peak is no lower than its neighbours, also aslant: neighbours alike are a peak each, and of
    them the first in memory stands first. Of each class the MOST_PEAKS surest are read.
    """
    return [_found(one, plan.task.n_outputs) for one in maps.detach().float().cpu()]


def _found(maps: torch.Tensor, n_classes: int) -> Found:
    heat, lengths = maps[:n_classes], maps.shape[1:]
    pool = max_pool2d if len(lengths) == 2 else max_pool3d
    is_peak = heat == pool(heat[None], 3, stride=1, padding=1)[0]
    peaks = np.flatnonzero(is_peak.numpy())
    logits = heat.flatten().numpy()[peaks]
    peaks = _surest(peaks[np.argsort(-logits, kind="stable")], lengths.numel())
    classes, *places = np.unravel_index(peaks, heat.shape)
    longest = (2 * torch.tensor(lengths)).log()[:, None]  # it is cut at the edges
    logs = maps[n_classes:].flatten(1)[:, torch.from_numpy(peaks % lengths.numel())]
    sides = torch.minimum(logs, longest).exp()
    centres = torch.from_numpy(np.stack(places)) + 0.5
    boxes = clipped(torch.cat([centres, sides]).T, lengths).numpy()
    scores = torch.sigmoid(heat.flatten()[torch.from_numpy(peaks)]).numpy()
    kept = suppressed(classes, boxes)
    return Found(classes[kept], scores[kept], boxes[kept])


def _surest(peaks: NDArray[np.int64], n_places: int) -> NDArray[np.int64]:
    """Keep the first MOST_PEAKS of each class, of peaks in the order of their heat."""
    classes, is_kept = peaks // n_places, np.zeros(len(peaks), dtype=bool)
    for k in np.unique(classes):
        is_kept[np.flatnonzero(classes == k)[:MOST_PEAKS]] = True
    return peaks[is_kept]


def suppressed(classes: NDArray[np.int64], boxes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Give the places of boxes (n, 2 d), the surest first, that no surer one of its class covers.

    Greedy non-maximum suppression.
    """
    is_kept = np.ones(len(boxes), dtype=bool)
    for k in np.unique(classes):
        (own,) = np.nonzero(classes == k)
        floats = boxes[own].astype(np.float64)
        is_same = overlap(floats, floats) > SAME_BOX
        for i, place in enumerate(own):
            if is_kept[place]:
                is_kept[own[i + 1 :]] &= ~is_same[i, i + 1 :]
    return np.flatnonzero(is_kept)
