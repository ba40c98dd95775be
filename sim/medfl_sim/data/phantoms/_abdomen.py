"""An upper abdomen: a liver with round lesions, among organs that look much like it.

Lengths are mm from the volume's centre; values are Hounsfield units.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_sim.data.phantoms._hospital import blur
from medfl_sim.data.phantoms._volume import Box, Space
from medfl_sim.data.radiograph import Picture, edge

AIR, FAT, TISSUE, BONE = -1000.0, -90.0, 45.0, 350.0
RADIUS_MM = (13.0, 23.0)  # of a lesion
APART_MM = 5.0  # between the surfaces of two lesions
Mask = NDArray[np.bool_]
Point = tuple[float, float, float]  # x, y, z


@dataclass(frozen=True)
class Lesion:
    """A ball in the liver."""

    centre: Point
    radius: float


@dataclass(frozen=True)
class Abdomen:
    """What was drawn, and the truth: (D, H, W) masks."""

    hounsfield: Picture  # without noise
    body: Mask
    liver: Mask  # with its lesions
    spleen: Mask
    lesions: list[tuple[Lesion, Mask]]


def draw(box: Box, n_lesions: int, contrast: float, rng: np.random.Generator) -> Abdomen:
    """Draw an abdomen; the liver is about `contrast` brighter than what is around it."""
    x, y, z = box.space()
    x, y, z = x + rng.uniform(-6, 6), y + rng.uniform(-5, 5), z + rng.uniform(-4, 4)
    wide, deep = rng.uniform(138, 150), rng.uniform(100, 112)
    skin = (1 - np.sqrt((x / wide) ** 2 + (y / deep) ** 2)) * deep + 0 * z
    image = AIR + edge(skin, 0.8) * (FAT - AIR)
    image += edge(skin - rng.uniform(6, 12), 1.5) * (TISSUE - FAT)
    bowel = edge(skin - 22, 2) * waves((x, y, z), (28, 60), rng)
    image += 10 * bowel - 50 * edge(bowel - 1.4, 0.2)
    spleen = draw_neighbours(image, (x, y, z), contrast, rng)
    depth = liver_depth((x, y, z), rng)
    depth = np.minimum(depth, skin - 16)
    liver = TISSUE + contrast * rng.uniform(0.85, 1.15) + 5 * waves((x, y, z), (14, 30), rng)
    image += edge(depth, 0.8) * (liver - image)
    lesions = place_lesions(box, depth, n_lesions, rng)
    balls = [lesion.radius - distance(box.space(), lesion.centre) for lesion in lesions]
    for ball in balls:
        darker = rng.uniform(55, 80)
        image += edge(ball, 0.8) * (TISSUE + contrast - darker - image)
    inside = np.logical_or.reduce([depth > 0, *(ball > 0 for ball in balls)])
    masks = [(lesion, ball > 0) for lesion, ball in zip(lesions, balls, strict=True)]
    return Abdomen(blur(image, 0.5, 0.5), skin > 0, inside, (spleen > 0) & ~inside, masks)


def draw_neighbours(
    image: Picture, space: Space, contrast: float, rng: np.random.Generator
) -> Picture:
    """Put stomach, spleen, kidneys, spine and aorta into the image; return how deep in a spleen."""
    x, y, z = space
    stomach = ellipsoid((x - 52, y + 38, z - 8), (44, 30, 42))
    image += edge(stomach, 1) * (TISSUE - 15 - image)
    gas = ellipsoid((x - 52, y + 54, z - 8), (24, 9, 22))
    image += edge(gas, 1) * (AIR * 0.8 - image)
    spleen = ellipsoid((x - 98, y - 26, z - 12), (25, 40, 40 * rng.uniform(0.8, 1.1)))
    image += edge(spleen, 0.8) * (TISSUE + contrast * rng.uniform(0.8, 1.2) - image)
    for side in (-1, 1):
        kidney = ellipsoid((x - side * 58, y - 55, z + 35), (23, 23, 44))
        image += edge(kidney, 0.8) * (TISSUE + 1.8 * contrast - image)
    spine = 20 - np.hypot(x, y - 66)
    image += edge(spine, 1) * (BONE * rng.uniform(0.6, 1) - image)
    aorta = 11 - np.hypot(x - 12, y - 35)
    image += edge(aorta, 0.8) * (TISSUE + 2 * contrast - image)
    return spleen


def liver_depth(space: Space, rng: np.random.Generator) -> Picture:
    """Give how deep in an uneven liver of two lobes each voxel lies, mm; negative outside."""
    x, y, z = space
    size = rng.uniform(0.86, 1.04)
    right = ellipsoid((x + 62, y - 2, z), (58 * size, 70 * size, 56 * size))
    left = ellipsoid((x - 2, y + 42, z - 14), (62 * rng.uniform(0.8, 1.1), 30, 32 * size))
    joined = 4 * np.logaddexp(right / 4, left / 4)
    return np.asarray(joined + 2.5 * waves(space, (35, 70), rng))


def place_lesions(
    box: Box, depth: Picture, n_lesions: int, rng: np.random.Generator
) -> list[Lesion]:
    """Place lesions at voxels' centres in the liver, some at its surface, apart from each other."""
    space, lesions = box.space(), list[Lesion]()
    x, y, z = (np.broadcast_to(axis, box.shape).ravel() for axis in space)
    levels = np.arange(box.shape[0], dtype=np.float32)
    ends = (np.minimum(levels, levels[::-1]) * np.float32(box.slice_mm))[:, None, None]
    for _ in range(n_lesions):
        radius = float(rng.uniform(*RADIUS_MM))
        fits = (depth > rng.choice((0.6, 1.2)) * radius) & (ends > radius + 2)
        for other in lesions:
            fits &= distance(space, other.centre) > radius + other.radius + APART_MM
        places = np.flatnonzero(fits)
        if len(places):
            at = rng.choice(places)
            lesions.append(Lesion((float(x[at]), float(y[at]), float(z[at])), radius))
    return lesions


def ellipsoid(offset: Space, size: Point) -> Picture:
    """Give about how deep in an ellipsoid each voxel lies; offset from its centre, half axes."""
    away = np.sqrt(sum((way / half) ** 2 for way, half in zip(offset, size, strict=True)))
    return np.asarray((1 - away) * min(size))


def waves(space: Space, lengths: tuple[float, float], rng: np.random.Generator) -> Picture:
    """Draw a smooth random field of standard deviation about 1, with waves of so many mm."""
    way = rng.normal(0, 1, (6, 3)).astype(np.float32)
    per_mm = 2 * np.pi / rng.uniform(*lengths, (6, 1)).astype(np.float32)
    way *= per_mm / np.linalg.norm(way, axis=1, keepdims=True)
    phases = rng.uniform(0, 2 * np.pi, 6).astype(np.float32)
    field = sum(
        np.sin(p * space[0] + q * space[1] + r * space[2] + phase)
        for (p, q, r), phase in zip(way, phases, strict=True)
    )
    return np.asarray(field / np.sqrt(np.float32(3)))


def distance(space: Space, point: Point) -> Picture:
    """Give each voxel's distance from a point, mm."""
    x, y, z = (axis - at for axis, at in zip(space, point, strict=True))
    return np.asarray(np.sqrt(x**2 + y**2 + z**2))
