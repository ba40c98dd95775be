"""Where in an image each place of the changed image comes from: the geometry of augmentation.

Places are -1..1 along each axis, across before down before deep, as grid_sample takes them.
Computed in float64, so that the last digits of a processor's sine are rounded away.
"""

from collections.abc import Sequence

import torch

from medfl_common.plan.training import Augmentation

NODES = 3  # of the elastic grid along each axis


def has_own_grid(settings: Augmentation, dimensions: int) -> bool:
    """Say whether the planes of an image do not move alike, along straight lines."""
    return bool(settings.elastic or (settings.rotation_3d_deg and dimensions == 3))


def flat_grid(settings: Augmentation, draws: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Give (B, H, W, 2) for draws (B, 8): affine_grid, in a quarter of its time."""
    places = in_plane(settings, draws).float()
    down, across = (_centres(n).float() for n in (height, width))
    x, y, offset = (places[:, :, i, None] for i in range(3))  # (B, 2, 1)
    by_column, by_line = x * across, y * down + offset  # (B, 2, W), (B, 2, H)
    return torch.stack([by_column[:, i, None] + by_line[:, i, :, None] for i in (0, 1)], dim=3)


def in_plane(settings: Augmentation, draws: torch.Tensor) -> torch.Tensor:
    """Give (B, 2, 3) float64: the inverse of shear, then rotate, zoom, shift."""
    _, turn, right, down, grow, _, slant, _ = draws.double().T
    angle = turn * settings.rotation_deg * (torch.pi / 180)
    shear = torch.tan(slant * settings.shear_deg * (torch.pi / 180))
    cos, sin, scale = torch.cos(angle), torch.sin(angle), 1 + grow * settings.zoom
    across = torch.stack([cos - sin * shear, sin + cos * shear], dim=1)
    linear = torch.stack([across, torch.stack([-sin, cos], dim=1)], dim=1) / scale[:, None, None]
    shift = 2 * settings.shift * torch.stack([right, down], dim=1)
    offset = -(linear @ shift[:, :, None])
    return torch.cat([linear, offset], dim=2)


def grid_of(
    settings: Augmentation,
    draws: torch.Tensor,
    sides: Sequence[int],
    generator: torch.Generator,
    aspect: float,
) -> torch.Tensor:
    """Give (B, [D,] H, W, 2 or 3) for images of these sides, elastic and turned about all axes.

    Draws the two other angles of a volume, then the elastic grid. `aspect` is the depth in widths.
    """
    centres = [_centres(side) for side in sides]
    grid = torch.stack(torch.meshgrid(*centres, indexing="ij")[::-1], dim=-1)
    places = grid.expand(len(draws), *grid.shape)
    if len(sides) == 3 and settings.rotation_3d_deg:
        turns = torch.rand((len(draws), 2), generator=generator).double() * 2 - 1
        places = _turned(places, turns * settings.rotation_3d_deg * (torch.pi / 180), aspect)
    flat = in_plane(settings, draws)
    plane = torch.einsum("bij,b...j->b...i", flat[:, :, :2], places[..., :2])
    plane = plane + flat[:, :, 2].reshape(-1, *[1] * len(sides), 2)
    places = torch.cat([plane, places[..., 2:]], dim=-1)
    if settings.elastic:
        places = places + 2 * settings.elastic * _elastic(len(draws), centres, generator)
    return places.float()


def _turned(places: torch.Tensor, angles: torch.Tensor, aspect: float) -> torch.Tensor:
    """Rotate (B, D, H, W, 3) about the axis across, then about that down; in millimetres alike."""
    x, y, z = places.unbind(-1)
    z = z * aspect
    cos, sin = (f(angles).T.reshape(2, -1, 1, 1, 1) for f in (torch.cos, torch.sin))
    y, z = cos[0] * y - sin[0] * z, sin[0] * y + cos[0] * z
    x, z = cos[1] * x + sin[1] * z, cos[1] * z - sin[1] * x
    return torch.stack([x, y, z / aspect], dim=-1)


def _elastic(
    n_images: int, centres: Sequence[torch.Tensor], generator: torch.Generator
) -> torch.Tensor:
    """Draw how far each place moves, -1..1 at the nodes: a smooth field through a coarse grid.

    Ronneberger, Fischer, Brox: U-Net. MICCAI 2015, with 3 nodes an axis too; between them a
    parabola.
    """
    shape = (n_images, *[NODES] * len(centres), len(centres))
    field = torch.rand(shape, generator=generator).double() * 2 - 1
    for axis, places in enumerate(centres, start=1):
        field = (field.movedim(axis, -1) @ _parabolas(places)).movedim(-1, axis)
    return field


def _parabolas(places: torch.Tensor) -> torch.Tensor:
    """Give (3, n): how much the nodes at -1, 0 and 1 count at places (n,), by Lagrange."""
    return torch.stack([places * (places - 1) / 2, 1 - places**2, places * (places + 1) / 2])


def _centres(side: int) -> torch.Tensor:
    """Give the middles of pixels along an axis, in float64 steps of what float32 knows."""
    return ((torch.arange(side) * 2 + 1) / side - 1).double()
