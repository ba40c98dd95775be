"""CT of two small lungs with candidates as in LUNA16: true nodules, and false positives.

Setio et al.: Validation, comparison, and combination of algorithms for automatic detection of
pulmonary nodules in CT: the LUNA16 challenge. Medical Image Analysis 42, 2017.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import uid

from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._hospital import (
    Case,
    LabelFile,
    Origin,
    Person,
    blur,
    invent_person,
    origins_of,
    write_hospitals,
)
from medfl_sim.data.phantoms._volume import Box, Space, slices
from medfl_sim.data.radiograph import Picture, edge

SHAPE = (24, 64, 64)
AIR, LUNG, FAT, TISSUE, BONE = -1000.0, -850.0, -90.0, 40.0, 500.0  # Hounsfield units
INTERCEPT = -1024  # RescaleIntercept: what a stored 0 stands for
APART_MM = 15.0  # least distance of two candidates
LABELS = LabelFile(
    "SeriesInstanceUID", ("seriesuid", "coordX", "coordY", "coordZ", "class"), "class",
    more="  position_columns: [coordX, coordY, coordZ]  # a candidate's place in the patient, mm\n",
)  # fmt: skip
HEADER: dict[str, object] = {
    "SOPClassUID": uid.CTImageStorage, "Modality": "CT", "BodyPartExamined": "CHEST", "KVP": "",
    "RescaleSlope": 1, "RescaleIntercept": INTERCEPT, "RescaleType": "HU",
    "WindowCenter": -500, "WindowWidth": 1500,
}  # fmt: skip
Point = tuple[float, float, float]  # x, y, z in mm from the volume's centre


@dataclass(frozen=True)
class Scanner:
    """How one hospital's scanner sees and stores."""

    manufacturer: str  # fictional
    spacing_mm: float
    slice_mm: float
    noise: float  # standard deviation, Hounsfield units
    bits: int
    is_signed: bool
    is_turned: bool  # stores rows to the right and columns to the front
    syntax: uid.UID


SCANNERS = (
    Scanner("PHANTOM ALPHA", 1.5, 2.5, 25, 12, False, False, uid.ExplicitVRLittleEndian),
    Scanner("PHANTOM BETA", 1.4, 2.5, 40, 16, True, False, uid.ImplicitVRLittleEndian),
    Scanner("PHANTOM GAMMA", 1.6, 2.0, 30, 12, False, True, uid.ExplicitVRLittleEndian),
    Scanner("PHANTOM DELTA", 1.55, 3.0, 50, 16, True, False, uid.ImplicitVRLittleEndian),
)


@KINDS.register("lung-ct")
def lung_ct(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of at least `n_samples` candidates each, two to four in a series."""
    return write_hospitals(folder, origins_of("lung-ct", n_sites, seed), n_samples, LABELS, invent)


def invent(origin: Origin, n_samples: int) -> Iterator[Case]:
    """Invent patients with one series each until their candidates make `n_samples`."""
    n_candidates = number = 0
    while n_candidates < n_samples:
        case = scan(origin, invent_person(number, origin.rng(0, number), (63, 9)))
        yield case
        n_candidates, number = n_candidates + len(case.rows), number + 1


def scan(origin: Origin, person: Person) -> Case:
    """Draw, scan and describe one patient; the series has at least one nodule and one other."""
    scanner = SCANNERS[(origin.site - 1) % len(SCANNERS)]
    rng = origin.rng(1, person.number)
    x, y, z = (round(float(way), 1) for way in rng.uniform((-20, -150, -300), (20, -50, 100)))
    box = Box(SHAPE, scanner.spacing_mm, scanner.slice_mm, (x, y, z), scanner.is_turned)
    words = ["nodule", "other", *rng.choice(("nodule", "other"), rng.integers(0, 3))]
    hounsfield, points = draw(box, rng.permutation(words).tolist(), rng)
    hounsfield += blur(rng.normal(0, 2 * scanner.noise, SHAPE), 0.6, 0.6)
    kind = np.int16 if scanner.is_signed else np.uint16
    stored = np.clip(np.rint(hounsfield - INTERCEPT), 0, 4095).astype(kind)
    own = {**HEADER, "Manufacturer": scanner.manufacturer}
    images = list(slices(stored, box, origin, person, 1, own, scanner.bits, scanner.syntax))
    series = images[0].SeriesInstanceUID
    return Case(images, [
        (series, *(f"{c + p:.2f}" for c, p in zip(box.centre, point, strict=True)), word)
        for point, word in points
    ])  # fmt: skip


def draw(
    box: Box, words: list[str], rng: np.random.Generator
) -> tuple[Picture, list[tuple[Point, str]]]:
    """Draw (D, H, W) Hounsfield units without noise, and where each candidate lies."""
    space, wide = box.space(), box.spacing_mm * box.shape[2]
    hounsfield, depth = draw_chest(space, wide, rng)
    air = edge(depth, 0.8)
    branches = draw_vessels(box, depth, rng)
    hounsfield += air * branches * (TISSUE - LUNG)
    points: list[tuple[Point, str]] = []
    for word in words:
        point = choose_place(box, depth, [other for other, _ in points], rng)
        points.append((point, word))
        if word == "nodule":
            inside = edge(rng.uniform(3, 6) - distance(space, point), 0.8)
        elif rng.random() < 0.75:
            inside = air * draw_tube(space, point, rng)
        else:
            continue  # plain lung
        hounsfield += inside * (TISSUE - hounsfield)
    return blur(hounsfield, 0.45, 0.45), points


def draw_chest(space: Space, wide: float, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Draw a trunk, and how deep in a lung each voxel is, in mm; negative outside."""
    x, y, z = space
    y = y + rng.uniform(-2, 2)
    body = (0.47 * wide, 0.38 * wide)
    skin = (1 - np.hypot(x / body[0], y / body[1])) * body[1] + 0 * z
    size = (rng.uniform(0.155, 0.175) * wide, rng.uniform(0.25, 0.28) * wide)
    size_at = 1 - ((z - rng.uniform(-12, 0)) / rng.uniform(60, 75)) ** 2
    away = np.hypot((np.abs(x) - 0.215 * wide) / size[0], (y + 0.01 * wide) / size[1])
    depth = (np.sqrt(np.clip(size_at, 0.05, 1)) - away) * size[0]
    heart = np.hypot((x - 0.08 * wide) / 0.17, (y + 0.1 * wide) / 0.14) / wide
    depth = np.minimum(depth, (heart - 1 + np.clip(z + 8, 0, None) / 40) * 0.15 * wide)
    hounsfield = AIR + edge(skin, 0.6) * (FAT - AIR)
    hounsfield += edge(skin - 4, 0.8) * (TISSUE - FAT)
    around = np.exp(-(((depth + 3) / 1.6) ** 2)) * edge(np.abs(x) - 0.12 * wide, 1)
    ribs = 0.5 + 0.5 * np.cos((z + 0.5 * y) * 2 * np.pi / 14 + rng.uniform(0, 6))
    hounsfield += (BONE - TISSUE) * around * edge(ribs - 0.45, 0.08)
    spine = edge(0.07 * wide - np.hypot(x, y - 0.27 * wide), 0.8)
    hounsfield += spine * (BONE * 0.7 - hounsfield)
    return hounsfield + edge(depth, 0.8) * (LUNG - hounsfield), depth


def draw_vessels(box: Box, depth: Picture, rng: np.random.Generator) -> Picture:
    """Draw (D, H, W) in 0..1 thin winding vessels that begin near the hilum of each lung."""
    tracks = np.zeros(box.shape, dtype=np.float32)
    limit = np.array(box.shape) - 1
    for side in (-1, 1):
        for _ in range(9):
            start = np.array((rng.uniform(-15, 15), rng.uniform(-6, 6), side * 11.0))
            way = np.array((rng.normal(0, 0.5), rng.normal(0, 0.8), side * rng.uniform(0, 1)))
            bends = np.cumsum(rng.normal(0, 0.12, (60, 3)), axis=0)
            course = start + np.cumsum(0.7 * (way / np.linalg.norm(way) + bends), axis=0)
            place = np.rint(course / box.steps + limit / 2).astype(int)
            place = place[((place >= 0) & (place <= limit)).all(axis=1)]
            tracks[tuple(place.T)] = 1
    return np.asarray(np.clip(1.6 * blur(tracks, 0.5, 0.6, 0.6), 0, 0.8))


def choose_place(box: Box, depth: Picture, taken: list[Point], rng: np.random.Generator) -> Point:
    """Choose a voxel's centre, deep in a lung, away from other candidates and from the ends."""
    space = box.space()
    fits = (depth > 5) & (np.abs(space[2]) < 0.5 * box.shape[0] * box.slice_mm - 8)
    for point in taken:
        fits &= distance(space, point) > APART_MM
    k, j, i = np.unravel_index(rng.choice(np.flatnonzero(fits)), box.shape)
    x, y, z = space
    return float(x[0, 0, i]), float(y[0, j, 0]), float(z[k, 0, 0])


def draw_tube(space: Space, point: Point, rng: np.random.Generator) -> Picture:
    """Draw 0..1 a straight vessel through a point, some 16 to 30 mm long, mostly along the body."""
    way = np.array((rng.normal(0, 0.45), rng.normal(0, 0.45), 1.0))
    way /= np.linalg.norm(way)
    offsets = [axis - at for axis, at in zip(space, point, strict=True)]
    along = sum(offset * part for offset, part in zip(offsets, way, strict=True))
    aside = np.sqrt(np.clip(distance(space, point) ** 2 - along**2, 0, None))
    return edge(rng.uniform(2.2, 3.6) - aside, 0.8) * edge(rng.uniform(8, 15) - np.abs(along), 1)


def distance(space: Space, point: Point) -> Picture:
    """Give each voxel's distance from a point, mm."""
    x, y, z = (axis - at for axis, at in zip(space, point, strict=True))
    return np.asarray(np.sqrt(x**2 + y**2 + z**2))
