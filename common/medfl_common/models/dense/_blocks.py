"""What segmentation networks are built of: blocks of two convolutions, steps up."""

import torch
from torch import nn

from medfl_common.models.dense._resolutions import Resolution
from medfl_common.models.norms import norm_layer

SLOPE = 0.01  # of the leaky ReLU below 0, as in nnU-Net
Sides = tuple[int, ...]


def convolution(n_in: int, n_out: int, kernel: Sides, stride: Sides, bias: bool) -> nn.Module:
    """Make a convolution that keeps an axis of stride 1 and halves one of stride 2, rounding up."""
    kind = nn.Conv2d if len(kernel) == 2 else nn.Conv3d
    padding = tuple(side // 2 for side in kernel)
    return kind(n_in, n_out, kernel, stride, padding, bias=bias)  # type: ignore[arg-type]


def step_up(n_in: int, n_out: int, stride: Sides) -> nn.Module:
    """Make a transposed convolution that enlarges each axis by its stride.

    Interpolation would need no weights, but sums its gradient in no fixed order on a GPU.
    """
    kind = nn.ConvTranspose2d if len(stride) == 2 else nn.ConvTranspose3d
    return kind(n_in, n_out, stride, stride)  # type: ignore[arg-type]


class TwoConvolutions(nn.Module):
    """Convolution, norm, leaky ReLU, twice; `residual`: the input is added before the last.

    Ronneberger, Fischer, Brox: U-Net. MICCAI 2015; He et al., CVPR 2016. The first convolution
    has the level's stride.
    """

    def __init__(
        self, n_in: int, n_out: int, level: Resolution, norm: str, residual: bool = False
    ) -> None:
        super().__init__()
        dimensions, bias = len(level.kernel), norm == "none"
        once = (1,) * dimensions
        self.first = convolution(n_in, n_out, level.kernel, level.stride, bias)
        self.first_norm = norm_layer(norm, n_out, dimensions)
        self.second = convolution(n_out, n_out, level.kernel, once, bias)
        self.second_norm = norm_layer(norm, n_out, dimensions)
        self.active = nn.LeakyReLU(SLOPE, inplace=True)
        self.shortcut: nn.Module | None = None
        if residual:
            is_same = n_in == n_out and level.stride == once
            fitted = convolution(n_in, n_out, once, level.stride, bias)
            self.shortcut = (
                nn.Identity()
                if is_same
                else nn.Sequential(fitted, norm_layer(norm, n_out, dimensions))
            )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Turn (B, n_in, ...) into (B, n_out, ...) of the level's size."""
        found = self.active(self.first_norm(self.first(values)))
        found = self.second_norm(self.second(found))
        if self.shortcut is not None:
            found = found + self.shortcut(values)
        given: torch.Tensor = self.active(found)
        return given


class NormFirst(nn.Module):
    """Norm, ReLU, convolution, twice, added to the input.

    He et al.: Identity Mappings in Deep Residual Networks. ECCV 2016.
    """

    def __init__(self, n_channels: int, level: Resolution, norm: str) -> None:
        super().__init__()
        dimensions, bias = len(level.kernel), norm == "none"
        once = (1,) * dimensions
        self.body = nn.Sequential(
            norm_layer(norm, n_channels, dimensions),
            nn.ReLU(),
            convolution(n_channels, n_channels, level.kernel, once, bias),
            norm_layer(norm, n_channels, dimensions),
            nn.ReLU(),
            convolution(n_channels, n_channels, level.kernel, once, bias),
        )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Keep the shape (B, n_channels, [D,] H, W)."""
        added: torch.Tensor = values + self.body(values)
        return added
