"""A classification network as the encoder of a segmentation: its map at each resolution."""

from collections.abc import Container
from itertools import pairwise

import torch
from torch import nn

from medfl_common.plan.images import Images

# The networks whose resolutions halve evenly, from the first layer to the last.
ENCODERS = (
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "r3d_18",
    "resnet18",
    "resnet18_small",
    "resnet50",
    "vgg16",
)
SIDE, DEPTH = 64, 16  # of the image that finds the resolutions
FLATTENS = (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.Linear)
Sides = tuple[int, ...]


class Tapped(nn.Module):
    """torchvision's network up to its last map; its weights keep their published names.

    Gives the image itself first where no layer keeps its size, then the last map of each
    resolution. `channels` and `strides` are those of these maps; a stride is from the map before.
    """

    def __init__(self, module: nn.Module, images: Images) -> None:
        super().__init__()
        whole = getattr(module, "features", None)
        if isinstance(whole, nn.Sequential):
            self.features = whole
        else:
            for name, child in module.named_children():
                if isinstance(child, FLATTENS):
                    break
                self.add_module(name, child)
        sides = (SIDE, SIDE) if images.dimensions == 2 else (DEPTH, SIDE, SIDE)
        image = torch.zeros(1, images.channels, *sides)
        self.eval()
        with torch.no_grad():
            every = self._maps(image, range(len(self._chain())))
        self.train()
        shapes = [tuple(one.shape[2:]) for one in every]
        both = enumerate(zip(shapes, [*shapes[1:], ()], strict=True))
        self._taps = [place for place, (shape, following) in both if shape != following]
        taken = [every[i] for i in self._taps]
        self._takes_image = shapes[self._taps[0]] != sides
        taken = [image, *taken] if self._takes_image else taken
        self.channels = [one.shape[1] for one in taken]
        sizes = [sides, *(tuple(one.shape[2:]) for one in taken)]
        self.strides: list[Sides] = [
            tuple(a // b for a, b in zip(finer, coarser, strict=True))
            for finer, coarser in pairwise(sizes)
        ]

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Turn (B, C, [D,] H, W) into the maps, the finest first."""
        taken = self._maps(pixels, self._taps)
        return [pixels, *taken] if self._takes_image else taken

    def _maps(self, values: torch.Tensor, wanted: Container[int]) -> list[torch.Tensor]:
        """Give what the wanted layers give."""
        found = []
        for place, layer in enumerate(self._chain()):
            values = layer(values)
            if place in wanted:
                found.append(values)
        return found

    def _chain(self) -> list[nn.Module]:
        whole = getattr(self, "features", self)
        return [*whole.children()]
