"""Fundus photographs: grades of diabetic retinopathy, by number and kind of the lesions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset

from medfl_sim.data.phantoms import KINDS
from medfl_sim.data.phantoms._hospital import (
    Case,
    LabelFile,
    Origin,
    Person,
    blur,
    describe,
    invent_person,
    origins_of,
    put_pixels,
    stamp,
    write_hospitals,
)
from medfl_sim.data.radiograph import Grid, Picture, Point, bump, draw_texture, edge

GRADES = ("no_dr", "mild", "moderate", "severe", "proliferative")
P_GRADE = (0.28, 0.2, 0.2, 0.16, 0.16)  # of a patient's first eye
SIZE = 160
HALF = SIZE / 2
LABELS = LabelFile("SOPInstanceUID", ("sop_instance_uid", "grade", "laterality"), "grade")
# Least and most of each lesion, by grade.
ANEURYSMS = ((0, 0), (5, 10), (10, 18), (16, 26), (10, 22))
BLEEDINGS = ((0, 0), (0, 0), (3, 6), (10, 16), (5, 12))
EXUDATES = ((0, 0), (0, 0), (3, 8), (8, 16), (5, 12))
HEADER: dict[str, object] = {
    "SOPClassUID": uid.OphthalmicPhotography8BitImageStorage, "Modality": "OP",
    "BodyPartExamined": "EYE", "PatientOrientation": ["L", "F"], "PresentationLUTShape": "IDENTITY",
}  # fmt: skip
DARK_RED = np.array((0.16, 0.24, 0.12), dtype=np.float32)  # what blood takes off the three colours
YELLOW = np.array((0.3, 0.3, 0.1), dtype=np.float32)  # what an exudate adds


@dataclass(frozen=True)
class Camera:
    """How one hospital's camera sees."""

    manufacturer: str  # fictional
    gain: tuple[float, float, float]  # of red, green and blue
    noise: float  # standard deviation, 0..1 = full range
    radius: float  # of the round image, in half sides
    syntax: uid.UID


CAMERAS = (
    Camera("PHANTOM ALPHA", (1.0, 1.0, 1.0), 0.012, 0.95, uid.ExplicitVRLittleEndian),
    Camera("PHANTOM BETA", (1.1, 0.85, 0.75), 0.02, 0.9, uid.ImplicitVRLittleEndian),
    Camera("PHANTOM GAMMA", (0.85, 1.05, 1.25), 0.016, 0.97, uid.ExplicitVRLittleEndian),
    Camera("PHANTOM DELTA", (0.95, 0.92, 1.0), 0.025, 0.92, uid.ImplicitVRLittleEndian),
)


@KINDS.register("fundus")
def fundus(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` photographs each, one an eye."""
    return write_hospitals(folder, origins_of("fundus", n_sites, seed), n_samples, LABELS, invent)


def invent(origin: Origin, n_samples: int) -> Iterator[Case]:
    """Invent patients of two eyes until there are `n_samples`; the first five have each grade."""
    for number in range((n_samples + 1) // 2):
        rng = origin.rng(0, number)
        person = invent_person(number, rng, (61, 12))
        first = int(rng.choice(len(GRADES), p=P_GRADE))
        first = number if number < len(GRADES) else first
        grades = (first, int(np.clip(first + rng.choice((-1, 0, 1)), 0, len(GRADES) - 1)))
        case = Case([], [])
        for eye in range(min(2, n_samples - 2 * number)):
            image = shoot(origin, person, eye, grades[eye])
            case.images.append(image)
            case.rows.append((image.SOPInstanceUID, GRADES[grades[eye]], image.ImageLaterality))
        yield case


def shoot(origin: Origin, person: Person, eye: int, grade: int) -> Dataset:
    """Take the photograph of one eye, 0 right or 1 left."""
    camera = CAMERAS[(origin.site - 1) % len(CAMERAS)]
    colour = draw(eye, grade, camera, origin.rng(1, person.number, eye))
    own = {"Manufacturer": camera.manufacturer, "ImageLaterality": "RL"[eye]}
    image = describe(origin, person, (1, 1, eye + 1), {**HEADER, **own})
    put_pixels(image, np.rint(255 * colour).astype(np.uint8), "RGB", 8, camera.syntax)
    return image


def draw(eye: int, grade: int, camera: Camera, rng: np.random.Generator) -> NDArray[np.floating]:
    """Draw (H, W, 3) in 0..1: retina, disc, vessels, lesions, exposure, noise, SYN."""
    y, x = (np.mgrid[:SIZE, :SIZE].astype(np.float32) - HALF) / HALF
    grid, nasal = (x, y), 1 if eye == 0 else -1
    disc = (nasal * rng.uniform(0.38, 0.5), rng.uniform(-0.08, 0.08))
    colour = draw_retina(grid, disc, rng)
    colour -= draw_vessels(disc, rng)[..., None] * DARK_RED * 1.1
    draw_lesions(colour, grid, grade, disc, rng)
    colour *= np.array(camera.gain, dtype=np.float32) * rng.uniform(0.88, 1.12)
    away = np.hypot(x, y)
    colour += 0.04 * (rng.normal(0, 1) * x + rng.normal(0, 1) * y)[..., None]
    colour *= (1 - 0.35 * away**2)[..., None]
    colour += rng.normal(0, camera.noise, colour.shape)
    colour *= edge(camera.radius - away, 0.008)[..., None]
    stamp(np.moveaxis(colour, -1, 0), 1)
    return np.clip(colour, 0, 1)


def draw_retina(grid: Grid, disc: Point, rng: np.random.Generator) -> Picture:
    """Draw (H, W, 3): orange ground, dark macula, bright optic disc, harmless spots."""
    tint = np.array((0.78, 0.42, 0.2)) * rng.normal(1, (0.03, 0.05, 0.08))
    ground = 1 + 0.025 * draw_texture(grid, rng)
    ground -= 0.3 * bump(grid, (disc[0] - np.sign(disc[0]) * 0.55, disc[1] + 0.05), (0.2, 0.2))
    for _ in range(rng.integers(0, 4)):
        centre = (rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 0.7))
        ground += rng.uniform(-0.15, 0.15) * bump(grid, centre, (0.06, 0.06))
    colour = ground[..., None] * tint
    size = rng.uniform(0.13, 0.16)
    nerve = bump(grid, disc, (size, 1.1 * size), power=6)
    nerve += 0.4 * bump(grid, disc, (size / 2, size / 2), power=4)
    colour += nerve[..., None] * np.array((0.14, 0.3, 0.22))
    return np.asarray(colour, dtype=np.float32)


def draw_vessels(disc: Point, rng: np.random.Generator) -> Picture:
    """Draw (H, W) the vessel density: four arcades from the disc, with branches."""
    inward = -np.sign(disc[0])
    layers = {sigma: np.zeros((SIZE, SIZE), dtype=np.float32) for sigma in (1.5, 1.1, 0.8)}
    for down in (-1, 1):
        for across, reach in ((inward, 1.45), (-inward, 0.6)):
            t = np.linspace(0, 1, 300)
            x = disc[0] + across * reach * t ** rng.uniform(1.3, 1.7)
            tall = rng.uniform(0.5, 0.65)
            y = disc[1] + down * tall * np.sin(np.pi * rng.uniform(0.6, 0.75) * t**0.75)
            trace(layers[1.5], x[:160], y[:160])
            trace(layers[1.1], x[160:], y[160:])
            for at in rng.integers(60, 280, 3):
                draw_branch(layers[0.8], (x[at], y[at]), rng.uniform(0, 6.3), rng)
    thick = [sigma * 2.5 * blur(layer, sigma, sigma) for sigma, layer in layers.items()]
    return np.asarray(1 - np.exp(-np.sum(thick, axis=0)), dtype=np.float32)


def draw_branch(layer: Picture, start: Point, angle: float, rng: np.random.Generator) -> None:
    """Trace a thin winding vessel of some 0.2 to 0.6 half sides."""
    turns = angle + np.cumsum(rng.normal(0, 0.06, int(rng.integers(30, 80))))
    trace(layer, start[0] + 0.008 * np.cumsum(np.cos(turns)), start[1]
          + 0.008 * np.cumsum(np.sin(turns)))  # fmt: skip


def trace(layer: Picture, x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
    """Set the pixels that a line of points passes, in place."""
    column, row = (np.rint(HALF * (1 + way)).astype(int) for way in (x, y))
    inside = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < SIZE)
    layer[row[inside], column[inside]] = 1


def draw_lesions(
    colour: Picture, grid: Grid, grade: int, disc: Point, rng: np.random.Generator
) -> None:
    """Add what the grade shows, in place."""
    for _ in range(rng.integers(*ANEURYSMS[grade], endpoint=True)):
        size = (rng.uniform(0.022, 0.032),) * 2
        dab(colour, grid, _place(disc, rng), size, 2, -rng.uniform(0.9, 1.3) * DARK_RED)
    for _ in range(rng.integers(*BLEEDINGS[grade], endpoint=True)):
        size = (rng.uniform(0.04, 0.075), rng.uniform(0.04, 0.075))
        dab(colour, grid, _place(disc, rng), size, 3, -rng.uniform(1.0, 1.4) * DARK_RED)
    for _ in range(rng.integers(*EXUDATES[grade], endpoint=True)):
        size = (rng.uniform(0.028, 0.05), rng.uniform(0.028, 0.05))
        dab(colour, grid, _place(disc, rng), size, 4, rng.uniform(0.9, 1.3) * YELLOW)
    if GRADES[grade] == "proliferative":
        draw_proliferation(colour, grid, disc, rng)


def dab(
    colour: Picture, grid: Grid, centre: Point, size: Point, power: float, change: Picture
) -> None:
    """Add a soft spot, in place; change only the pixels near it."""
    reach = int(2.5 * HALF * max(size)) + 1
    column, row = (int(HALF * (1 + way)) for way in centre)
    near = np.s_[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    colour[near] += bump((grid[0][near], grid[1][near]), centre, size, power)[..., None] * change


def draw_proliferation(colour: Picture, grid: Grid, disc: Point, rng: np.random.Generator) -> None:
    """Add a tangle of new vessels, a bleeding before the retina, or both; in place."""
    is_bleeding = rng.random() < 0.6
    if not is_bleeding or rng.random() < 0.6:
        layer = np.zeros((SIZE, SIZE), dtype=np.float32)
        start = disc if rng.random() < 0.6 else _place(disc, rng)
        for angle in rng.uniform(0, 6.3, 14):
            draw_branch(layer, start, angle, rng)
        colour -= np.clip(2.2 * blur(layer, 0.7, 0.7), 0, 1)[..., None] * DARK_RED
    if is_bleeding:
        x, y = _place(disc, rng)
        size = rng.uniform(0.18, 0.3)
        pool = bump(grid, (x, y), (size, 0.7 * size), power=6) * edge(grid[1] - y + 0.06, 0.015)
        colour -= 1.3 * pool[..., None] * DARK_RED


def _place(disc: Point, rng: np.random.Generator) -> Point:
    """Choose a point of the retina beside the optic disc."""
    while True:
        angle, away = rng.uniform(0, 2 * np.pi), 0.82 * np.sqrt(rng.random())
        x, y = away * np.cos(angle), away * np.sin(angle)
        if np.hypot(x - disc[0], y - disc[1]) > 0.22:
            return x, y
