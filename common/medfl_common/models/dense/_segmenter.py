"""The shape of every segmentation network: an encoder down, a decoder up, maps in between."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import pad


class Stages(nn.ModuleList):
    """An encoder of stages, each on the map of the one before."""

    def forward(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Turn (B, C, [D,] H, W) into a map of each level, the finest first."""
        maps = []
        for stage in self:
            values = stage(values)
            maps.append(values)
        return maps


class Decoder(nn.Module):
    """Enlarges the coarsest map level by level, and joins it with the encoder's of that level.

    Args:
        ups: From each level to the finer one; the first leads to the finest.
        blocks: What looks at the joined maps; the first at the finest.
        is_sum: Maps are added up; else they are stacked.
    """

    def __init__(
        self, ups: Sequence[nn.Module], blocks: Sequence[nn.Module], is_sum: bool = False
    ) -> None:
        super().__init__()
        self.ups, self.blocks = nn.ModuleList(ups), nn.ModuleList(blocks)
        self._is_sum = is_sum

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Turn the encoder's maps into features of each level but the coarsest, finest first."""
        found, levels = maps[-1], []
        for up, block, across in reversed([*zip(self.ups, self.blocks, maps[:-1], strict=True)]):
            raised = cropped(up(found), across.shape[2:])
            joined = raised + across if self._is_sum else torch.cat([raised, across], dim=1)
            found = block(joined)
            levels.append(found)
        return levels[::-1]


class Segmenter(nn.Module):
    """Encoder and decoder as one backbone, for images of any size.

    Args:
        encoder: (B, C, [D,] H, W) -> maps, the finest first, of the image's size.
        decoder: Maps -> features of each level.
        multiple: By axis; what the encoder takes is padded to a multiple of it, at its end.
        n_coarser: Levels beside the finest that training sees (deep supervision).
    """

    def __init__(
        self, encoder: nn.Module, decoder: Decoder, multiple: Sequence[int], n_coarser: int
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self._multiple, self._n_coarser = tuple(multiple), n_coarser

    def forward(self, pixels: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Turn (B, C, [D,] H, W) into features (B, F, [D,] H, W); a list of levels in training."""
        whole = padded(pixels, self._multiple)
        levels = self.decoder(self.encoder(whole))
        if not (self.training and self._n_coarser):
            return cropped(levels[0], pixels.shape[2:])
        return [_of_image(level, pixels, whole) for level in levels[: 1 + self._n_coarser]]


def _of_image(level: torch.Tensor, pixels: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Cut off what a level says of the padding alone."""
    three = zip(pixels.shape[2:], level.shape[2:], whole.shape[2:], strict=True)
    return cropped(level, [-(-side * small // large) for side, small, large in three])


def padded(pixels: torch.Tensor, multiple: Sequence[int]) -> torch.Tensor:
    """Continue the edge at the end of each axis up to the next multiple."""
    more = [-side % step for side, step in zip(pixels.shape[2:], multiple, strict=True)]
    if not any(more):
        return pixels
    ends = [end for side in reversed(more) for end in (0, side)]
    return pad(pixels, ends, mode="replicate")


def cropped(maps: torch.Tensor, sides: Sequence[int]) -> torch.Tensor:
    """Cut (B, F, [D,] H, W) down to so many places by axis, from the start."""
    for axis, side in enumerate(sides, start=2):
        if maps.shape[axis] != side:
            maps = maps.narrow(axis, 0, side)
    return maps
