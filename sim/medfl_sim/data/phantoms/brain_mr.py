"""T1 MR of heads: dementia has wider ventricles and sulci and a smaller hippocampus, with overlap.

Intensity has no unit: every scan has its own gain.
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
    blur,
    invent_person,
    origins_of,
    write_hospitals,
)
from medfl_sim.data.phantoms._volume import Box, Space, slices
from medfl_sim.data.radiograph import Picture, edge

DIAGNOSES = ("control", "dementia")
ATROPHY = ((0.28, 0.12), (0.66, 0.14))  # mean and standard deviation by diagnosis; 0 none .. 1 much
SHAPE = (20, 64, 64)
SCALP, BONE, FLUID, GREY, WHITE = 0.95, 0.12, 0.18, 0.52, 0.8  # 0..1 of a scan's gain
P_SECOND = 0.2  # probability of a second scan of a patient
LABELS = LabelFile("SeriesInstanceUID", ("series_instance_uid", "diagnosis"), "diagnosis")
HEADER: dict[str, object] = {
    "SOPClassUID": uid.MRImageStorage, "Modality": "MR", "BodyPartExamined": "HEAD",
    "ScanningSequence": "GR", "SequenceVariant": "SP", "ScanOptions": "",
    "MRAcquisitionType": "3D", "ProtocolName": "T1 3D", "EchoTime": "", "EchoTrainLength": "1",
}  # fmt: skip


@dataclass(frozen=True)
class Scanner:
    """How one hospital's scanner sees and stores."""

    manufacturer: str  # fictional
    spacing_mm: float
    slice_mm: float
    noise: float  # standard deviation of each channel, 1 = the scan's gain
    gain: float  # stored value of full intensity, before each scan's own factor
    is_turned: bool  # stores rows to the right and columns to the front
    syntax: uid.UID


SCANNERS = (
    Scanner("PHANTOM ALPHA", 3.0, 6.0, 0.03, 900, False, uid.ExplicitVRLittleEndian),
    Scanner("PHANTOM BETA", 2.9, 6.0, 0.045, 9000, False, uid.ImplicitVRLittleEndian),
    Scanner("PHANTOM GAMMA", 3.1, 5.6, 0.035, 300, True, uid.ExplicitVRLittleEndian),
    Scanner("PHANTOM DELTA", 3.0, 6.2, 0.055, 2500, False, uid.ImplicitVRLittleEndian),
)


@dataclass(frozen=True)
class Head:
    """One head; lengths in mm."""

    atrophy: float  # 0 none .. 1 much
    size: float  # 1 is usual
    tilt: float  # radians about the body's axis
    seed: int  # of its folds


@KINDS.register("brain-mr")
def brain_mr(folder: Path, n_sites: int, n_samples: int, seed: int) -> list[Path]:
    """Write hospitals of `n_samples` series each; some patients have two, of one diagnosis."""
    return write_hospitals(folder, origins_of("brain-mr", n_sites, seed), n_samples, LABELS, invent)


def invent(origin: Origin, n_samples: int) -> Iterator[Case]:
    """Invent patients until their series make `n_samples`; the first two have each diagnosis."""
    n_series = number = 0
    while n_series < n_samples:
        rng = origin.rng(0, number)
        diagnosis = number if number < len(DIAGNOSES) else int(rng.random() < 0.5)
        person = invent_person(number, rng, (71 + 3 * diagnosis, 7))
        atrophy = float(np.clip(rng.normal(*ATROPHY[diagnosis]), 0, 1))
        head = Head(atrophy, rng.uniform(0.93, 1.05), rng.normal(0, 0.05), int(rng.integers(2**31)))
        is_twice = number >= len(DIAGNOSES) and rng.random() < P_SECOND
        n_scans = min(1 + is_twice, n_samples - n_series)
        case = Case([], [])
        for series in range(1, n_scans + 1):
            images = scan(origin, person, head, series)
            case.images.extend(images)
            case.rows.append((images[0].SeriesInstanceUID, DIAGNOSES[diagnosis]))
        yield case
        n_series, number = n_series + n_scans, number + 1


def scan(origin: Origin, person: Person, head: Head, series: int) -> list[Dataset]:
    """Scan a head: position, coil, gain and noise are each scan's own."""
    scanner = SCANNERS[(origin.site - 1) % len(SCANNERS)]
    rng = origin.rng(1, person.number, series)
    x, y, z = (round(float(way), 1) for way in rng.uniform(-25, 25, 3))
    box = Box(SHAPE, scanner.spacing_mm, scanner.slice_mm, (x, y, z), scanner.is_turned)
    shift = rng.normal(0, 2, 3)
    right, back, up = (axis + way for axis, way in zip(box.space(), shift, strict=True))
    image = draw_head(head, (right, back, up))
    coil = 1 + sum(rng.normal(0, 0.0012) * axis for axis in box.space())
    channels = rng.normal(0, scanner.noise, (2, *SHAPE))
    measured = np.hypot(image * coil + channels[0], channels[1])  # Rician noise of a magnitude
    gain = scanner.gain * rng.uniform(0.6, 1.6)
    stored = np.clip(np.rint(gain * measured), 0, 2**16 - 1).astype(np.uint16)
    own = {
        **HEADER, "Manufacturer": scanner.manufacturer,
        "WindowCenter": round(gain / 2), "WindowWidth": round(gain),
    }  # fmt: skip
    return list(slices(stored, box, origin, person, series, own, 16, scanner.syntax))


def draw_head(head: Head, space: Space) -> Picture:
    """Draw (D, H, W), 0 air .. 1: scalp, skull, fluid, the folded brain and what lies in it."""
    right, back, up = (axis / head.size for axis in space)
    x = right * np.cos(head.tilt) - back * np.sin(head.tilt)
    y = right * np.sin(head.tilt) + back * np.cos(head.tilt)
    narrow = 1 - 0.0012 * np.clip(-y, 0, None)  # the forehead
    away = np.sqrt((x / (70 * narrow)) ** 2 + (y / 86) ** 2 + ((up + 10) / 82) ** 2)
    depth = (0.87 - away) * 75  # mm below the brain's surface
    folds, a = draw_folds((x, y, up), np.random.default_rng(head.seed)), head.atrophy
    image = SCALP * edge((1 - away) * 75, 0.8)
    image += edge((0.95 - away) * 75, 0.8) * (BONE - image)
    image += edge((0.885 - away) * 75, 0.8) * (FLUID - image)
    image += edge(depth, 0.8) * (GREY - image)
    image += edge(depth - 8 - 4 * folds, 1.2) * (WHITE - image)
    sulci = edge(folds - (1.2 - 0.8 * a), 0.15) * edge(8 + 6 * a - depth, 1.2)
    fissure = edge(1 + 1.5 * a - np.abs(x), 0.8) * edge(up - 8 + 0.2 * np.abs(y), 2)
    image += edge(depth, 0.8) * np.maximum(sulci, fissure) * (FLUID - image)
    draw_inside(image, (x, y, up), a)
    return blur(image, 0.4, 0.4)


def draw_inside(image: Picture, space: Space, a: float) -> None:
    """Put thalami, ventricles and hippocampi into a brain of atrophy `a`, in place."""
    x, y, z = space
    side = np.abs(x)
    thalami = ellipsoid((side - 10, y - 4, z + 2), (8, 13, 9))
    image += thalami * (GREY - image)
    middle = 8 + 4 * a + 0.12 * np.clip(y, -20, None)
    ventricles = ellipsoid((side - middle, y - 4, z - 12), (4 + 7 * a, 25 + 9 * a, 8 + 7 * a))
    image += ventricles * (FLUID - image)
    horns = ellipsoid((side - 29, y - 6, z + 20), (8.5 + 2 * a, 17 + 2 * a, 8.5 + 2 * a))
    image += horns * (FLUID - image)
    shrunk = 1.05 - 0.5 * a
    hippocampi = ellipsoid((side - 28, y - 6, z + 21), (8 * shrunk, 16 * shrunk, 8 * shrunk))
    image += hippocampi * (GREY - image)


def ellipsoid(offset: Space, size: tuple[float, float, float]) -> Picture:
    """Draw 0..1 a soft ellipsoid; offset from its centre and half axes in mm."""
    away = np.sqrt(sum((way / half) ** 2 for way, half in zip(offset, size, strict=True)))
    return edge((1 - away) * min(size), 0.9)


def draw_folds(space: Space, rng: np.random.Generator) -> Picture:
    """Draw a random field of standard deviation about 1, with waves of 13 to 24 mm."""
    way = rng.normal(0, 1, (8, 3))
    way *= 2 * np.pi / rng.uniform(13, 24, (8, 1)) / np.linalg.norm(way, axis=1, keepdims=True)
    waves = [
        np.sin(p * space[0] + q * space[1] + r * space[2] + rng.uniform(0, 2 * np.pi))
        for p, q, r in way
    ]
    return np.asarray(np.sum(waves, axis=0) / 2)
