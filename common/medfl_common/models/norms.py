"""The norm layer that a plan names."""

from torch import nn

from medfl_common.errors import ConfigError


def norm_layer(kind: str, n_channels: int, dimensions: int = 2) -> nn.Module:
    """Make one norm layer over (B, n_channels, [D,] H, W).

    `group` has at most 32 groups (Wu, He: Group Normalization. ECCV 2018); its statistics come
    from each image alone, so nothing about a site's images is stored in it. `batch` keeps running
    means and variances of the site's images, which are averaged like weights.
    """
    if kind == "batch":
        return nn.BatchNorm2d(n_channels) if dimensions == 2 else nn.BatchNorm3d(n_channels)
    if kind == "group":
        n_groups = next(g for g in (32, 16, 8, 4, 2, 1) if n_channels % g == 0)
        return nn.GroupNorm(n_groups, n_channels)
    if kind == "none":
        return nn.Identity()
    raise ConfigError(f"unknown norm layer {kind!r}; known: none, group, batch")
