"""Volumes of different sizes, trained on in patches that are drawn from them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.dataset import Batches, Indices, as_input
from medfl_client.data.own_shapes import OwnShapes
from medfl_common.plan.images import Patch

Masks = NDArray[np.uint8]
N_DRAWS = 5  # around a voxel or anywhere; which voxel; where in the patch it lies, three


@dataclass(frozen=True)
class PatchSet(Batches):
    """Volumes with masks.

    pixels: of (1, D, H, W) uint8 or uint16; rows: (N,) which of them belong to this set.
    masks: of (D, H, W) uint8; mask_rows: (N,) likewise.
    targets: (N, K) float32 whether a mask has a class, NaN where nobody says.
    """

    pixels: OwnShapes
    rows: Indices
    masks: OwnShapes
    mask_rows: Indices
    targets: torch.Tensor
    patch: Patch
    channels: int = 1

    @property
    def has_own_shapes(self) -> bool:
        """Say that each has its own."""
        return True

    def __len__(self) -> int:
        """Count the volumes."""
        return len(self.rows)

    def chosen(self, index: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw a patch of each of the volumes (M,): its volume, and five numbers in 0..1."""
        draws = torch.rand((len(index), N_DRAWS), generator=generator, dtype=torch.float64)
        return torch.cat([index[:, None].double(), draws], dim=1)

    def batch(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give patches (B, channels, d, s, s) and masks, or one whole volume and its mask."""
        found = [self._of(one) for one in index.numpy()]
        pixels = as_input(np.stack([image for image, _ in found]), self.channels)
        return pixels, torch.from_numpy(np.stack([mask for _, mask in found]))

    def _of(self, one: NDArray[np.float64] | np.int64) -> tuple[NDArray[np.generic], Masks]:
        place, *draws = np.atleast_1d(one).tolist()
        image = self.pixels[self.rows[int(place)]]
        mask = np.asarray(self.masks[self.mask_rows[int(place)]], np.uint8)
        if not draws:
            return np.asarray(image), mask
        cut = self._cut(mask, self.targets[int(place)], draws)
        return np.asarray(image[:, *cut]), mask[cut]

    def _cut(
        self, mask: Masks, present: torch.Tensor, draws: list[float]
    ) -> tuple[slice, slice, slice]:
        """Say where the patch lies; around a voxel of a class that is there, or anywhere."""
        sides = self.patch.depth, self.patch.size, self.patch.size
        classes = [k for k in range(1, len(present)) if present[k] == 1]
        free = [n - side for n, side in zip(mask.shape, sides, strict=True)]
        first = [int(draw * (n + 1)) for draw, n in zip(draws[2:], free, strict=True)]
        if classes and draws[0] < self.patch.foreground:
            which, rest = divmod(draws[1] * len(classes), 1)
            voxels = np.flatnonzero(mask == classes[int(which)])
            voxel = np.unravel_index(voxels[int(rest * len(voxels))], mask.shape)
            first = [
                min(max(int(at) - int(draw * side), 0), n)
                for at, draw, side, n in zip(voxel, draws[2:], sides, free, strict=True)
            ]
        d, h, w = (slice(start, start + side) for start, side in zip(first, sides, strict=True))
        return d, h, w
