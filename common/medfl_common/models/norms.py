"""The norm layers that a plan names."""

import torch
from torch import nn

from medfl_common.errors import ConfigError
from medfl_common.models.network import layout

BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
RUNNING = ("running_mean", "running_var")  # the buffers of BatchNorm that describe a site's images


class GroupNorm(nn.GroupNorm):
    """torch's, channels-first on a CPU: its channels-last kernel is up to 20 times slower."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Normalise (B, C, [D,] H, W); return it in the memory format that convolutions prefer."""
        if values.device.type != "cpu":
            return super().forward(values)
        normed = super().forward(values.contiguous())
        return normed.contiguous(memory_format=layout(values.dim()))


def norm_layer(kind: str, n_channels: int, dimensions: int = 2) -> nn.Module:
    """Make one norm layer over (B, n_channels, [D,] H, W).

    `group` has at most 32 groups (Wu, He: Group Normalization. ECCV 2018); its statistics come
    from each image alone, so it stores nothing about a site's images. `batch` keeps running means
    and variances of the site's images, which the coordinator pools over the sites.
    """
    if kind == "batch":
        return nn.BatchNorm2d(n_channels) if dimensions == 2 else nn.BatchNorm3d(n_channels)
    if kind == "group":
        n_groups = next(g for g in (32, 16, 8, 4, 2, 1) if n_channels % g == 0)
        return GroupNorm(n_groups, n_channels)
    if kind == "none":
        return nn.Identity()
    raise ConfigError(f"unknown norm layer {kind!r}; known: none, group, batch")


def replace_batch_norms(module: nn.Module, kind: str) -> None:
    """Replace every BatchNorm below a module by norm layers of another kind."""
    if kind == "batch":
        return
    for name, child in module.named_children():
        if isinstance(child, BATCH_NORMS):
            dimensions = 2 if isinstance(child, nn.BatchNorm2d) else 3
            setattr(module, name, norm_layer(kind, child.num_features, dimensions))
        else:
            replace_batch_norms(child, kind)


def is_norm(module: nn.Module) -> bool:
    """Say whether a module is a norm layer."""
    return isinstance(module, (*BATCH_NORMS, nn.GroupNorm, nn.LayerNorm))


def is_statistic(name: str) -> bool:
    """Say whether a tensor of the state is a running mean or variance."""
    return name.endswith(RUNNING)
