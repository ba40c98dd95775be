"""The losses of a segmentation: Dice of each case, cross-entropy, focal loss; each mean over cases.

A batch's loss is the mean of its cases' losses, so a batch of 1 counts as one of many, and the
halves of a batch add up to the whole. Voxels that nobody labelled (UNKNOWN_VOXEL) do not count, but
in the Dice of a class that the case has: it was outlined, so they are not of it.
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import avg_pool2d, avg_pool3d, log_softmax, one_hot

from medfl_common.plan.plan import Plan
from medfl_common.plan.task import UNKNOWN_VOXEL

SMOOTH = 1.0  # voxels, added above and below in Dice: a class of few voxels moves it less
GAMMA = 2  # of the focal loss
Logits = torch.Tensor | Sequence[torch.Tensor]
# (log shares, truth, known), each (B, K or 1, V) -> (B,) losses of the cases
CaseLoss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def mask_loss(plan: Plan) -> Callable[[Logits, torch.Tensor], torch.Tensor]:
    """Give the plan's loss of logits (B, K, [D,] H, W) against masks (B, [D,] H, W) uint8.

    Of a list of levels, the finest first, each coarser one counts half as much as the one before;
    their weights add up to 1. Lee et al.: Deeply-Supervised Nets. AISTATS 2015.
    """
    of_cases = LOSSES.get(str(plan.training.loss), _dice_and_cross_entropy)  # own: as in scores

    def loss(logits: Logits, masks: torch.Tensor) -> torch.Tensor:
        levels = [logits] if isinstance(logits, torch.Tensor) else [*logits]
        weights = [0.5**i for i in range(len(levels))]
        parts = [
            weight * _mean_of_cases(level, masks, of_cases)
            for weight, level in zip(weights, levels, strict=True)
        ]
        return torch.stack(parts).sum() / sum(weights)

    return loss


def _mean_of_cases(logits: torch.Tensor, masks: torch.Tensor, of_cases: CaseLoss) -> torch.Tensor:
    truth, known = coarser(*truth_of(masks, logits.shape[1]), logits.shape[2:])
    flat = (log_softmax(logits.float(), dim=1), truth, known)
    losses = of_cases(*(part.flatten(2) for part in flat))
    return losses.sum() / max(len(losses), 1)


def truth_of(masks: torch.Tensor, n_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn masks (B, [D,] H, W) into shares of classes (B, K, ...) and whether known (B, 1, ...).

    Both are float32; the shares of an unknown voxel are all 0.
    """
    is_known = masks != UNKNOWN_VOXEL
    classes = torch.where(is_known, masks, 0).long()
    shares = one_hot(classes, n_classes) * is_known[..., None]
    return shares.movedim(-1, 1).float(), is_known[:, None].float()


def coarser(
    truth: torch.Tensor, known: torch.Tensor, sides: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the truth of a coarser level: of each place, the shares of its known voxels.

    The place i of an axis halved n times is of the voxels from i * 2**n, as a network's.
    """
    steps = [-(-fine // coarse) for fine, coarse in zip(truth.shape[2:], sides, strict=True)]
    steps = [1 << (step - 1).bit_length() for step in steps]
    if all(step == 1 for step in steps):
        return truth, known
    pool = avg_pool2d if len(steps) == 2 else avg_pool3d
    both = pool(torch.cat([truth, known], dim=1), steps, ceil_mode=True)
    shares, share_known = both[:, :-1], both[:, -1:]
    return shares / share_known.clamp(min=1e-6), (share_known > 0).float()


def _cross_entropy(shares: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    return _mean_of_known(-(truth * shares).sum(dim=1), known)


def _focal(shares: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Lin et al.: Focal Loss for Dense Object Detection. ICCV 2017; without class weights."""
    each = -(truth * (1 - shares.exp()) ** GAMMA * shares).sum(dim=1)
    return _mean_of_known(each, known)


def _dice(shares: torch.Tensor, truth: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
    """1 - Dice, mean over the outlined classes that a case has; 0 of a case that has none.

    Milletari, Navab, Ahmadi: V-Net. 3DV 2016, with the sums of the shares below as they are.
    """
    given, wanted = shares.exp()[:, 1:], truth[:, 1:]
    both = (given * wanted).sum(dim=2)
    size = given.sum(dim=2) + wanted.sum(dim=2)
    losses = 1 - (2 * both + SMOOTH) / (size + SMOOTH)
    has = (wanted.sum(dim=2) > 0).float()
    return (losses * has).sum(dim=1) / has.sum(dim=1).clamp(min=1)


def _dice_and_cross_entropy(
    shares: torch.Tensor, truth: torch.Tensor, known: torch.Tensor
) -> torch.Tensor:
    return _dice(shares, truth, known) + _cross_entropy(shares, truth, known)


def _mean_of_known(each: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Give (B,) means of (B, V) over the known voxels; 0 where a case has none."""
    n_known = known.sum(dim=(1, 2))
    return each.sum(dim=1) / n_known.clamp(min=1)


LOSSES: dict[str, CaseLoss] = {
    "ce": _cross_entropy,
    "dice": _dice,
    "dice_ce": _dice_and_cross_entropy,
    "focal": _focal,
}
