"""Where the boxes of an image are after it was mirrored, turned, moved, scaled or slanted."""

from collections.abc import Sequence

import torch

from medfl_client.data.boxed import inside
from medfl_client.training.places import in_plane
from medfl_common.plan.training import Augmentation


def moved_boxes(
    boxes: torch.Tensor, settings: Augmentation, draws: torch.Tensor, lengths: Sequence[int]
) -> torch.Tensor:
    """Move boxes (B, M, 1 + 2 d) of images ([D,] H, W) as draws (B, 8) move these.

    The new box bounds the moved ellipse that fits into the old one: a lesion is round, and the
    bounds of turned corners would grow with no lesion in them. Kalra et al.: Towards Rotation
    Invariance in Object Detection. ICCV 2021. What has its centre outside is dropped (NaN).
    """
    d = len(lengths)
    half = torch.tensor(lengths[-2:][::-1]).double() / 2  # across, down
    found = boxes.double().clone()
    centres = found[..., d - 1 : 1 + d].flip(-1) / half - 1  # -1..1, across before down
    reach = found[..., 2 * d - 1 : 1 + 2 * d].flip(-1) / (2 * half)
    for wanted, draw, axis in ((settings.flip, 0, 0), (settings.flip_vertical, 5, 1)):
        if wanted:
            centres[..., axis] *= torch.where(draws[:, draw] > 0, -1.0, 1.0)[:, None]
    if settings.moves_in_plane:
        back = in_plane(settings, draws)  # from a place in the changed image to the old one
        onward = torch.linalg.inv(back[:, :, :2])
        centres = torch.einsum("bij,bmj->bmi", onward, centres - back[:, None, :, 2])
        reach = torch.einsum("bij,bmj->bmi", onward**2, reach**2).sqrt()
    found[..., d - 1 : 1 + d] = ((centres + 1) * half).flip(-1)
    found[..., 2 * d - 1 : 1 + 2 * d] = (reach * 2 * half).flip(-1)
    return inside(found, lengths).to(boxes.dtype)
