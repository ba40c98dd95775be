"""A backbone, a way to join slices, and a head: the shape of every network."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Self

import torch
from torch import nn

from medfl_common.plan.plan import Plan

Part = Literal["shared", "start", "local"]
PARTS: tuple[Part, ...] = ("shared", "start", "local")


class PixelHead(nn.ModuleList):
    """A 1x1 convolution to the logits of each pixel or voxel, and one for each coarser level."""

    def __init__(self, n_features: Sequence[int], n_outputs: int, dimensions: int) -> None:
        kind = nn.Conv2d if dimensions == 2 else nn.Conv3d
        super().__init__(kind(n, n_outputs, 1) for n in n_features)

    def forward(self, maps: torch.Tensor | list[torch.Tensor]) -> torch.Tensor | list[torch.Tensor]:
        """Turn (B, F, [D,] H, W) into (B, n_outputs, [D,] H, W), or a list of levels into one."""
        if isinstance(maps, list):
            return [head(level) for head, level in zip(self, maps, strict=True)]
        logits: torch.Tensor = self[0](maps)
        return logits


def of_image(given: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    """Turn what a head is given into features (B, F) of the image: of maps, the finest's mean."""
    finest = given[0] if isinstance(given, list) else given
    return finest.flatten(2).mean(dim=2) if finest.dim() > 2 else finest


class Network(nn.Module):
    """Features from the backbone, joined over slices if there are any, then a head.

    Args:
        backbone: (B, C, [D,] S, S) -> (B, n_features); with `slices` it sees (B * D, C, S, S). Of
            a segmentation -> (B, n_features, [D,] H, W), for images of any size.
        n_features: Values that the backbone gives.
        n_outputs: Logits.
        dropout: Part of the features that training sets to 0.
        slices: `mean` or `max` of the features over the slices of a volume; None: not by slices.
        head: That of a segmentation, or none where the backbone gives logits; None: a dense layer.
    """

    def __init__(
        self,
        backbone: nn.Module,
        n_features: int,
        n_outputs: int,
        dropout: float = 0.0,
        slices: str | None = None,
        head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        if head is None:
            head = nn.Sequential(nn.Dropout(dropout), nn.Linear(n_features, n_outputs))
        self.head: nn.Module = head
        self.n_features = n_features
        self._slices = slices
        self.step: nn.Module | None = None  # what a plan's image step makes of each image
        self.frozen: Sequence[nn.Module] = ()  # stay in evaluation mode
        self.parts: dict[str, Part] = {}  # what is not `shared`, by name in the state
        self._named: tuple[dict[str, Part], dict[Part, list[str]]] = ({}, {})  # for which parts

    @property
    def is_dense(self) -> bool:
        """Say whether each pixel or voxel has logits, and not the image."""
        return isinstance(self.head, PixelHead)

    @property
    def encoder(self) -> str:
        """Name the layers that `model.freeze` is about: all before the head, or a part of them."""
        has_parts = self.is_dense and hasattr(self.backbone, "encoder")
        return "backbone.encoder" if has_parts else "backbone"

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn (B, C, [D,] S, S) into (B, n_features); of a segmentation the mean over space."""
        return self._features(self._seen(pixels))

    def _seen(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.step is None:
            return pixels
        seen: torch.Tensor = self.step(pixels)
        return seen

    def _features(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._slices is None:
            return of_image(self.backbone(pixels))
        n_images, channels, depth = pixels.shape[:3]
        flat = pixels.transpose(1, 2).reshape(n_images * depth, channels, *pixels.shape[3:])
        by_slice = self.backbone(flat).reshape(n_images, depth, -1)
        joined: torch.Tensor = by_slice.mean(1) if self._slices == "mean" else by_slice.amax(1)
        return joined

    def forward(self, pixels: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Turn (B, C, [D,] S, S) into (B, n_outputs) logits, or (B, n_outputs, [D,] S, S).

        With deep supervision training sees a list: those, then the coarser levels'.
        """
        seen = self._seen(pixels)
        given = self.backbone(seen) if self.is_dense else self._features(seen)
        logits: torch.Tensor | list[torch.Tensor] = self.head(given)
        return logits

    def train(self, mode: bool = True) -> Self:
        """Set the mode; keep frozen modules in evaluation mode, so that nothing changes them."""
        super().train(mode)
        for module in self.frozen:
            module.training = False  # not eval(), which would go on to trained modules inside it
        return self

    def names(self, part: Part) -> list[str]:
        """List the floating-point tensors of a part, in the state's order.

        shared: trainable, sent both ways every round. start: frozen, sent once. local: sent once
        as a start, then each site's own. Integer buffers (BatchNorm's count of batches) are in
        none: their mean means nothing.
        """
        known_for, known = self._named
        if not known or known_for != self.parts:
            known = {one: [] for one in PARTS}
            for name in self.shapes:
                known[self.parts.get(name, "shared")].append(name)
            self._named = (dict(self.parts), known)
        return known[part]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the floating-point tensors, in the state's order."""
        state = self.state_dict()
        return {name: tuple(t.shape) for name, t in state.items() if t.is_floating_point()}


def layout(n_dimensions: int) -> torch.memory_format:
    """Return the memory format in which convolutions over (B, C, [D,] H, W) are fastest."""
    return torch.channels_last if n_dimensions == 4 else torch.channels_last_3d


def lay_out(network: Network, plan: Plan) -> Network:
    """Put what has a picture's or a volume's dimensions into the fastest order, in place.

    Weights of other dimensions stay as they are: a network that came as data may have any.
    """
    n_dimensions = 4 if plan.images.dimensions == 2 or plan.model.slices is not None else 5
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.dim() == n_dimensions:
            tensor.data = tensor.data.to(memory_format=layout(n_dimensions))
    return network
