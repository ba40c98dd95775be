"""Mammograms: a mass that is benign (smooth, round) or malignant (spiculated, calcified).

Every image starts as a left breast, chest wall at the left edge; a right one is its mirror image.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset

from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._hospital import (
    Case,
    LabelFile,
    Origin,
    Person,
    describe,
    invent_person,
    origins_of,
    stamp,
    write_hospitals,
)
from medfl_sim.data.radiograph import Grid, Look, Picture, bump, draw_texture, edge, embed

FINDINGS = ("benign", "malignant")
VIEWS = ("CC", "MLO")
SHAPE = (256, 192)
LABELS = LabelFile(
    "SOPInstanceUID", ("sop_instance_uid", "finding", "view", "laterality"), "finding"
)
LOOKS = (
    Look("PHANTOM ALPHA", "MG", 12, uid.ImplicitVRLittleEndian, SHAPE, 0.02, is_inverted=True),
    Look("PHANTOM BETA", "MG", 12, uid.JPEG2000Lossless, SHAPE, 0.03, (0.1, 0.8),
         is_inverted=True),
    Look("PHANTOM GAMMA", "MG", 14, uid.ExplicitVRLittleEndian, SHAPE, 0.025, (0.05, 0.6)),
    Look("PHANTOM DELTA", "MG", 12, uid.ExplicitVRLittleEndian, SHAPE, 0.035, is_inverted=True,
         windows=(1.0, 1.3)),
)  # fmt: skip
SPACING_MM = (0.8, 0.7, 0.85, 0.75)  # of each look, at the detector
DIRECTIONS = {  # of a row and of a column (PS3.3 C.7.6.1.1.1)
    ("L", "CC"): ["A", "R"], ("R", "CC"): ["P", "L"],
    ("L", "MLO"): ["A", "FR"], ("R", "MLO"): ["P", "FL"],
}  # fmt: skip
HEADER: dict[str, object] = {
    "SOPClassUID": uid.DigitalMammographyXRayImageStorageForPresentation, "Modality": "MG",
    "PresentationIntentType": "FOR PRESENTATION", "BodyPartExamined": "BREAST",
    "PixelIntensityRelationship": "LOG", "PixelIntensityRelationshipSign": -1, "RescaleType": "US",
}  # fmt: skip


@dataclass(frozen=True)
class Breast:
    """One breast; lengths in half short sides of the image."""

    finding: str
    laterality: str  # L or R
    size: tuple[float, float]  # from the chest wall to the nipple, and half its height
    density: float  # of the glands, 0..1 = full contrast
    depth: float  # of the mass, part of the way from the chest wall to the nipple
    radius: float  # of the mass


@KINDS.register("mammography")
def mammography(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` mammograms each; a patient has one breast or two imaged."""
    origins = origins_of("mammography", n_sites, seed)
    return write_hospitals(folder, origins, n_samples, LABELS, invent)


def invent(origin: Origin, n_samples: int) -> Iterator[Case]:
    """Invent patients until their images make `n_samples`; patient 0 has both findings."""
    n_images = number = 0
    while n_images < n_samples:
        rng = origin.rng(0, number)
        person = invent_person(number, rng, (58, 11), p_female=0.99)
        breasts = list(invent_breasts(number, rng))
        shots = [(breast, view) for view in VIEWS for breast in breasts]
        case = Case([], [])
        for instance, (breast, view) in enumerate(shots[: n_samples - n_images], start=1):
            image = shoot(origin, person, instance, breast, view)
            case.images.append(image)
            about = (breast.finding, view, breast.laterality)
            case.rows.append((image.SOPInstanceUID, *about))
        yield case
        n_images, number = n_images + len(case.images), number + 1


def invent_breasts(number: int, rng: np.random.Generator) -> Iterator[Breast]:
    """Invent one breast or two, each with its own mass."""
    sides = ["L", "R"] if number == 0 or rng.random() < 0.4 else [str(rng.choice(("L", "R")))]
    size = (rng.uniform(1.15, 1.6), rng.uniform(0.85, 1.12))
    density = rng.uniform(0.12, 0.32)
    for i, side in enumerate(sides):
        finding = i if number == 0 else int(rng.random() < 0.5)
        radius = rng.uniform(0.11, 0.2)
        yield Breast(FINDINGS[finding], side, size, density, rng.uniform(0.3, 0.65), radius)


def shoot(origin: Origin, person: Person, instance: int, breast: Breast, view: str) -> Dataset:
    """Take one image of one breast."""
    look = LOOKS[(origin.site - 1) % len(LOOKS)]
    picture = draw(breast, view, look, origin.rng(1, person.number, instance))
    spacing = SPACING_MM[(origin.site - 1) % len(LOOKS)]
    own: dict[str, object] = {
        "Manufacturer": look.manufacturer, "ViewPosition": view,
        "ImageLaterality": breast.laterality, "ImagerPixelSpacing": [spacing, spacing],
        "PatientOrientation": DIRECTIONS[breast.laterality, view],
    }  # fmt: skip
    image = describe(origin, person, (1, 1, instance), {**HEADER, **own})
    embed(image, picture, look)
    return image


def draw(breast: Breast, view: str, look: Look, rng: np.random.Generator) -> Picture:
    """Draw (H, W) in 0..1: breast, glands, muscle, mass, exposure, noise, SYN."""
    (height, width), half = look.shape, min(look.shape) / 2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grid = ((x - width / 2) / half, (y - height / 2) / half)
    middle = rng.normal(0, 0.05) + (0.12 if view == "MLO" else 0.0)
    picture, skin = draw_breast(breast, view, middle, grid, rng)
    angle = rng.uniform(-0.9, 0.9)
    centre = (
        -1 + breast.size[0] * breast.depth * np.cos(angle),
        middle + breast.size[1] * breast.depth * np.sin(angle),
    )
    draw_mass = draw_malignant if breast.finding == "malignant" else draw_benign
    picture += skin * draw_mass((grid[0] - centre[0], grid[1] - centre[1]), breast.radius, rng)
    picture = rng.uniform(0.85, 1.12) * np.clip(picture, 0, 1.2) ** rng.uniform(0.85, 1.2)
    picture += rng.normal(0, look.noise, look.shape) * np.sqrt(np.clip(2 * picture, 0.05, 2))
    is_right = breast.laterality == "R"
    picture = picture[:, ::-1].copy() if is_right else picture
    stamp(picture, 1, at_right=not is_right)
    return np.clip(picture, 0, 1).astype(np.float32)


def draw_breast(
    breast: Breast, view: str, middle: float, grid: Grid, rng: np.random.Generator
) -> tuple[Picture, Picture]:
    """Draw a breast without its mass, and where it is, 0 outside .. 1 inside."""
    x, y = grid
    long, tall = breast.size
    radius = np.sqrt(((x + 1) / long) ** 2 + np.abs((y - middle) / tall) ** 2.2)
    skin = np.maximum(
        edge(1 - radius, 0.012), bump(grid, (long - 1, middle), (0.06, 0.07), power=4)
    )
    texture = sum(0.65 * draw_texture((fine * x, fine * y), rng) for fine in (0.8, 1.3, 2.0, 3.0))
    centre, size = (-1 + 0.5 * long, middle), (0.42 * long, 0.6 * tall)
    glands = breast.density * bump(grid, centre, size) * np.clip(1 + 0.25 * texture, 0, 2)
    thick = np.sqrt(np.clip(1 - radius**6, 0, 1))
    picture = skin * (0.1 + 0.18 * thick + 0.012 * texture) + thick * glands
    picture += 0.1 * np.exp(-(((radius - 0.985) / 0.012) ** 2)) * (x > -1)
    for _ in range(rng.integers(3, 7)):  # ducts and vessels run towards the nipple
        start, bend = rng.uniform(-0.6, 0.6), rng.normal(0, 0.25)
        way = middle + start * (1 - (x + 1) / long) + bend * np.sin(2 * x)
        picture += skin * rng.uniform(0.03, 0.09) * np.exp(-(((y - way) / 0.014) ** 2))
    if view == "MLO":
        low, slope = rng.uniform(-0.25, 0.25), rng.uniform(1.4, 2.0)
        picture += 0.3 * skin * edge(low - y - slope * (x + 1), 0.03)
    return picture, skin


def draw_benign(around: Grid, radius: float, rng: np.random.Generator) -> Picture:
    """Draw a smooth round mass, sometimes with a coarse calcification; `around` is its grid."""
    squeeze = rng.uniform(0.85, 1.15)
    mass = bump(around, (0, 0), (radius * squeeze, radius / squeeze), power=5)
    if rng.random() < 0.25:
        centre = (rng.normal(0, radius / 3), rng.normal(0, radius / 3))
        mass += rng.uniform(0.5, 1.5) * bump(around, centre, (0.03, 0.03))
    return np.asarray(rng.uniform(0.16, 0.3) * mass)


def draw_malignant(around: Grid, radius: float, rng: np.random.Generator) -> Picture:
    """Draw an irregular mass with radiating lines and tiny calcifications."""
    x, y = around
    turn, away = np.arctan2(y, x), np.hypot(x, y)
    rim = np.full_like(away, radius * rng.uniform(0.7, 0.95))
    for k in range(2, 7):
        rim += radius * rng.normal(0, 0.14) * np.cos(k * turn + rng.uniform(0, 6.3))
    mass = rng.uniform(0.17, 0.32) * edge(rim - away, 0.025)
    n_lines = int(rng.integers(10, 17))
    for i in range(n_lines):
        angle = 2 * np.pi * (i + rng.uniform(-0.4, 0.4)) / n_lines
        aside = away * np.abs((turn - angle + np.pi) % (2 * np.pi) - np.pi) / 0.016
        reach = radius * rng.uniform(1.5, 2.6)
        line = np.exp(-(aside**2)) * edge(reach - away, 0.04)
        mass = mass + rng.uniform(0.05, 0.17) * line
    for _ in range(rng.integers(4, 11)):
        centre = (rng.normal(0, 0.7 * radius), rng.normal(0, 0.7 * radius))
        mass = mass + rng.uniform(0.2, 0.5) * bump(around, centre, (0.012, 0.012))
    return np.asarray(mass)
