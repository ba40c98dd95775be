"""Nodules in a synthetic chest radiograph, and round or crossing things that are none.

Lengths are in half short sides of the image, as in `radiograph`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfl_sim.data.box_lists import Pixels
from medfl_sim.data.radiograph import (
    SYN,
    Grid,
    Look,
    Patient,
    Picture,
    Point,
    bump,
    draw_chest,
    draw_distractors,
    edge,
)

P_NODULES = (0.35, 0.35, 0.2, 0.1)  # probability of none, one, two and three
RADIUS = (0.075, 0.17)  # mean half axis of a nodule
LIGHT = (0.14, 0.3)  # what a nodule adds at its centre; a lung is about 0.2, bone 0.6
POWER = 4.0  # of a nodule's edge; see `bump`
HALF = np.log(2) ** (1 / POWER)  # where such a bump has half of its height
GROWTH = 1.08  # of the half axes from one study of a patient to the next
ELECTRODE = 0.06  # radius
APART = 0.08  # between the edges of two nodules


@dataclass(frozen=True)
class Round:
    """A nodule or an electrode: an ellipse with upright axes."""

    centre: Point
    half: Point  # half axes
    light: float  # added at its centre

    def grown(self, times: float) -> "Round":
        """Give it with longer axes."""
        return Round(self.centre, (self.half[0] * times, self.half[1] * times), self.light)


@dataclass(frozen=True)
class Radiograph:
    """A picture (H, W) in 0..1, and the boxes of what was drawn into it."""

    picture: Picture
    nodules: list[Pixels]
    electrodes: list[Pixels]


def invent_nodules(patient: Patient, n: int, rng: np.random.Generator) -> list[Round]:
    """Place up to `n` nodules inside the lungs, apart from each other."""
    found = list[Round]()
    for _ in range(n):
        radius, shape = rng.uniform(*RADIUS), rng.uniform(0.85, 1.18)
        light = rng.uniform(*LIGHT)
        for _ in range(20):
            angle, out = rng.uniform(0, 2 * np.pi), 0.8 * np.sqrt(rng.random())
            x = patient.centre[0] + rng.choice((-1, 1)) * 0.45
            x += out * np.cos(angle) * patient.lung[0]
            y = patient.centre[1] - 0.08 + out * np.sin(angle) * patient.lung[1] * 0.75
            if all(
                np.hypot(x - other.centre[0], y - other.centre[1])
                > 1.2 * radius + max(other.half) + APART
                for other in found
            ):
                half = (float(radius * shape), float(radius / shape))
                found.append(Round((float(x), float(y)), half, float(light)))
                break
    return found


def draw(
    patient: Patient, nodules: list[Round], look: Look, rng: np.random.Generator
) -> Radiograph:
    """Draw the chest, the nodules, what is none, exposure, noise and SYN.

    `rng` draws the same whatever the nodules are.
    """
    (height, width), half = look.shape, min(look.shape) / 2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grid = ((x + 0.5 - width / 2) / half, (y + 0.5 - height / 2) / half)
    picture, lungs = draw_chest(patient, grid, rng)
    picture += draw_crossings(patient, grid, rng) * lungs
    picture += draw_vessels(patient, grid, rng)
    picture += draw_distractors(grid, rng)
    electrodes = invent_electrodes(patient, rng)
    for one in electrodes:
        away = np.hypot(grid[0] - one.centre[0], grid[1] - one.centre[1])
        picture += one.light * edge(one.half[0] - away, 0.008)
    for one in nodules:
        picture += one.light * bump_of(one, grid)
    picture = rng.uniform(0.85, 1.1) * np.clip(picture, 0, 1.2) ** rng.uniform(0.85, 1.2)
    picture += rng.normal(0, look.noise, look.shape) * np.sqrt(np.clip(2 * picture, 0.1, 2))
    picture[3:8, 3:15][SYN] = 1
    return Radiograph(
        np.clip(picture, 0, 1).astype(np.float32),
        [box_of(bump_of(one, grid) > 0.5) for one in nodules],
        [box_of(bump_of(one, grid) > 0.5) for one in electrodes],
    )


def bump_of(one: Round, grid: Grid) -> Picture:
    """Draw one with a height of 1 and half of it on the ellipse."""
    return bump(grid, one.centre, (one.half[0] / HALF, one.half[1] / HALF), POWER)


def box_of(mask: NDArray[np.bool_]) -> Pixels:
    """Give the pixels that an upright box around a (H, W) mask has."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        int(columns[0]),
        int(rows[0]),
        int(columns[-1] - columns[0] + 1),
        int(rows[-1] - rows[0] + 1),
    )


def draw_crossings(patient: Patient, grid: Grid, rng: np.random.Generator) -> Picture:
    """Draw the front ends of the ribs: bright where they cross the ribs of the back."""
    x, y = grid[0] - patient.centre[0], grid[1] - patient.centre[1]
    turns = patient.n_ribs * (y - 0.55 * abs(x)) + rng.random()
    return 0.07 * (0.5 + 0.5 * np.cos(2 * np.pi * turns)) ** 4 * edge(abs(x) - 0.3, 0.04)


def draw_vessels(patient: Patient, grid: Grid, rng: np.random.Generator) -> Picture:
    """Draw vessels seen end-on, small and bright, and scars, long and as bright as a nodule."""
    extra = np.zeros_like(grid[0])
    for _ in range(rng.integers(2, 6)):
        side, size = rng.choice((-1, 1)), rng.uniform(0.025, 0.045)
        at = (patient.centre[0] + side * rng.uniform(0.22, 0.5), rng.uniform(-0.35, 0.35))
        extra += rng.uniform(0.15, 0.3) * bump(grid, at, (size, size))
    for _ in range(rng.integers(0, 3)):
        side, size = rng.choice((-1, 1)), rng.uniform(0.14, 0.22)
        at = (patient.centre[0] + side * rng.uniform(0.3, 0.6), rng.uniform(-0.4, 0.35))
        across = rng.uniform(0.22, 0.32) * size
        half = (size, across) if rng.random() < 0.5 else (across, size)
        extra += rng.uniform(0.12, 0.25) * bump(grid, at, half, POWER)
    return extra


def invent_electrodes(patient: Patient, rng: np.random.Generator) -> list[Round]:
    """Place an ECG's electrodes on a third of the patients: round, sharper than nodules."""
    n = int(rng.integers(1, 4)) if rng.random() < 1 / 3 else 0
    left, top = patient.centre[0], patient.centre[1]
    places = [
        (float(left + rng.uniform(-0.6, 0.6)), float(top + rng.uniform(-0.5, 0.5)))
        for _ in range(n)
    ]
    return [Round(place, (ELECTRODE, ELECTRODE), 0.4) for place in places]
