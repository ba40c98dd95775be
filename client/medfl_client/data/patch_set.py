"""Volumes of different sizes, trained on in patches that are drawn from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.boxed import inside
from medfl_client.data.dataset import Batches, Indices, as_input
from medfl_client.data.own_shapes import OwnShapes
from medfl_common.plan.images import Patch

Masks = NDArray[np.uint8]
Cut = tuple[slice, slice, slice]
N_DRAWS = 5  # around a voxel or anywhere; which voxel; where in the patch it lies, three


@dataclass(frozen=True)
class Volumes(Batches):
    """Volumes, each with a size of its own.

    pixels: of (1, D, H, W) uint8 or uint16; rows: (N,) which of them belong to this set.
    targets: (N, K) float32 whether a volume has a class, NaN where nobody says.
    """

    pixels: OwnShapes
    rows: Indices
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
        """Give patches (B, channels, d, s, s) and their labels, or one whole volume and its own."""
        images, labels = [], []
        for one in index.numpy():
            place, *draws = np.atleast_1d(one).tolist()
            image = self.pixels[self.rows[int(place)]]
            cut = self._cut(int(place), image.shape[1:], draws)
            images.append(np.asarray(image[:, *cut]))
            labels.append(self.label(int(place), cut))
        return as_input(np.stack(images), self.channels), torch.stack(labels)

    def label(self, place: int, cut: Cut) -> torch.Tensor:
        """Give what is asked of a part of a volume."""
        raise NotImplementedError

    def somewhere(self, place: int, draw: float) -> Sequence[int] | None:
        """Choose a voxel of a class that is there, by a number in 0..1; None: there is none."""
        raise NotImplementedError

    def _cut(self, place: int, lengths: Sequence[int], draws: list[float]) -> Cut:
        """Say where the patch lies; around a voxel of a class that is there, or anywhere.

        Without draws it is the whole volume.
        """
        if not draws:
            return slice(0, lengths[0]), slice(0, lengths[1]), slice(0, lengths[2])
        sides = self.patch.depth, self.patch.size, self.patch.size
        free = [n - side for n, side in zip(lengths, sides, strict=True)]
        first = [int(draw * (n + 1)) for draw, n in zip(draws[2:], free, strict=True)]
        is_around = draws[0] < self.patch.foreground
        voxel = self.somewhere(place, draws[1]) if is_around else None
        if voxel is not None:
            first = [
                min(max(int(at) - int(draw * side), 0), n)
                for at, draw, side, n in zip(voxel, draws[2:], sides, free, strict=True)
            ]
        d, h, w = (slice(start, start + side) for start, side in zip(first, sides, strict=True))
        return d, h, w


@dataclass(frozen=True)
class PatchSet(Volumes):
    """Volumes with masks.

    masks: of (D, H, W) uint8; mask_rows: (N,) which of them belong to this set.
    """

    masks: OwnShapes = field(kw_only=True)
    mask_rows: Indices = field(kw_only=True)

    def label(self, place: int, cut: Cut) -> torch.Tensor:
        """Give a part of a mask, (d, s, s) uint8."""
        return torch.from_numpy(np.array(self._mask(place)[cut]))

    def somewhere(self, place: int, draw: float) -> Sequence[int] | None:
        """Choose a voxel of a class."""
        present, mask = self.targets[place], self._mask(place)
        classes = [k for k in range(1, len(present)) if present[k] == 1]
        if not classes:
            return None
        which, rest = divmod(draw * len(classes), 1)
        voxels = np.flatnonzero(mask == classes[int(which)])
        return [int(at) for at in np.unravel_index(voxels[int(rest * len(voxels))], mask.shape)]

    def _mask(self, place: int) -> Masks:
        return np.asarray(self.masks[self.mask_rows[place]], np.uint8)


@dataclass(frozen=True)
class BoxPatchSet(Volumes):
    """Volumes with boxes.

    boxes: (N, M, 7) float32 in the order of `rows`, as in BoxedImages, in voxels of each volume.
    """

    boxes: torch.Tensor = field(kw_only=True)

    def label(self, place: int, cut: Cut) -> torch.Tensor:
        """Give the boxes of a part (M, 7): those with their centre in it, cut at its edges."""
        moved = self.boxes[place].clone()
        moved[:, 1:4] -= torch.tensor([float(axis.start) for axis in cut])
        return inside(moved, [axis.stop - axis.start for axis in cut])

    def somewhere(self, place: int, draw: float) -> Sequence[int] | None:
        """Choose the centre of a box, each class that is there alike."""
        own = self.boxes[place]
        own = own[~own.isnan().any(dim=1)]
        classes = sorted({*own[:, 0].tolist()})
        if not classes:
            return None
        which, rest = divmod(draw * len(classes), 1)
        of_class = own[own[:, 0] == classes[int(which)]]
        return [int(at) for at in of_class[int(rest * len(of_class)), 1:4].tolist()]
