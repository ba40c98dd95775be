"""What leaves of a detection's scores: images are counted, and a bin of few tells nothing."""

from dataclasses import replace

import numpy as np

from medfl_client.egress.mask_rules import is_small
from medfl_common.metrics.box_counts import (
    CENTRE,
    N_BOX_BINS,
    N_COARSE_BOX_BINS,
    OVERLAP,
    SUMMED,
    BoxCounts,
    box_bin_places,
    coarser_boxes,
)
from medfl_common.metrics.box_estimates import EFFECT_STEPS, box_effects
from medfl_common.metrics.box_numbers import EFFECTS, HUNDREDTHS, PREFIX
from medfl_common.metrics.counts import Counts


def released_boxes(counts: BoxCounts, min_cell: int, is_scoring: bool) -> BoxCounts | None:
    """Take out what few images would tell; None: of no class enough is left.

    A class stays where each of both is no image or at least `min_cell`: those with it, and those
    without. Its true boxes stay, whatever the model draws; found ones are in bins of so many
    images, with 0 or so many beside them, and none has more boxes than the others together. In the
    rounds bins are fewer than in the last scorings, with which coarse effects leave, of at least
    `min_cell` patients with the class, none with most of its true boxes. The loss has three digits.
    """
    if counts.found is None or counts.n < min_cell:
        return None
    effects = box_effects(counts.found, min_cell) if is_scoring else counts.effects * 0
    n_bins = N_BOX_BINS if is_scoring else N_COARSE_BOX_BINS
    whole = coarser_boxes(replace(counts, effects=effects), n_bins, min_cell)
    stays = whole.images.any(axis=1) & ~is_small(counts.images, min_cell).any(axis=1)
    if not stays.any():
        return None
    kept = {name: (getattr(whole, name).T * stays).T for name in (*SUMMED, "effects")}
    return replace(whole, loss=float(f"{counts.loss:.3g}"), **kept)


def check_boxes(told: dict[str, Counts], min_cell: int, is_round: bool) -> str:
    """Say what in a message's lists is of few images; empty: nothing is."""
    images, behind = told[PREFIX + "images"], told[PREFIX + "behind"]
    hits, extra = told[PREFIX + "hits"], told[PREFIX + "extra"]
    if is_small(images, min_cell).any():
        return "the scores of a class with few images"
    if is_small(behind, min_cell).any():
        return "a bin of boxes with few images"
    boxes = hits + extra
    if (boxes[:, OVERLAP] < behind).any() or boxes[behind[:, None].repeat(2, axis=1) == 0].any():
        return "boxes of a bin with no images"
    if (boxes[:, CENTRE] > boxes[:, OVERLAP]).any():
        return "more boxes by one rule than by the other"
    has_none = ~images.any(axis=1)
    if any(told[name][has_none].any() for name in told):
        return "the boxes of a class without images"
    n = images.sum(axis=1, keepdims=True)
    if (behind > n).any() or is_small(n - behind, min_cell).any():
        return "a bin of boxes of all images but few"
    if not np.isin(told[EFFECTS], [0, *(HUNDREDTHS * np.array(EFFECT_STEPS))]).all():
        return "effects finer than their steps"
    if is_round and told[EFFECTS].any():
        return "effects beside an update"
    if is_round and np.delete(behind, box_bin_places(N_COARSE_BOX_BINS), axis=1).any():
        return f"boxes of a round in more than {N_COARSE_BOX_BINS} bins"
    return ""
