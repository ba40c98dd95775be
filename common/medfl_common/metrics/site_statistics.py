"""What a site may report of its data before training: counts in fixed bands, and one histogram.

Every site uses the same fixed bands, so that counts of sites are comparable; they hold no word, no
name and no single image.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from medfl_common.plan.task import Task

N_INTENSITY_BINS = 64  # bins of the intensity histogram, over 0..1 as the network sees it
PARTS = 100_000  # the histogram counts parts of so many, not pixels

SIDES = (0, 128, 256, 512, 1024, 2048, 4096)  # pixels on the longer side, each band from .. to next
SPACINGS = (0.0, 1e-6, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # mm; the first band: not known
SLICES = (0.0, 1e-6, 1.0, 2.0, 4.0, 8.0)  # mm; the first band: not known
AGES = (-1, 0, 20, 40, 60, 80)  # years; the first band: not known
SEXES = ("F", "M", "other or not known")


@dataclass(frozen=True)
class SiteStatistics:
    """One site's samples, in numbers; bands as in the constants of this module."""

    samples: int
    patients: int
    left_out: int  # left-out files, for any reason
    classes: tuple[int, ...]  # samples per class; multilabel: with each finding
    sides: tuple[int, ...]
    spacings: tuple[int, ...]
    slices: tuple[int, ...]
    ages: tuple[int, ...]
    sexes: tuple[int, ...]
    # (N_GREYS,) parts of PARTS of all pixels but pure black and pure white, dark to bright
    greys: tuple[int, ...]


COUNTS = ("classes", "sides", "spacings", "slices", "ages", "sexes")


def band(values: Sequence[float], bands: Sequence[float]) -> tuple[int, ...]:
    """Count values per band: band i is bands[i] <= value < bands[i + 1], the last has no end."""
    places = np.searchsorted(np.array(bands), np.array(values), side="right") - 1
    return tuple(np.bincount(np.clip(places, 0, None), minlength=len(bands)).tolist())


def age_place(age: float) -> int:
    """Find the band of an age in years; -1: not known."""
    return int(np.searchsorted(AGES, age, side="right")) - 1


def sex_place(word: str) -> int:
    """Find a PatientSex (0010,0040) among SEXES; the last stands for all others."""
    return SEXES.index(word) if word in SEXES[:2] else 2


def band_names(bands: Sequence[float], unit: str) -> list[str]:
    """Name the bands for a table; a first band that ends at 0 or 1e-6 is what is not known."""
    ends = [*bands[1:], None]
    names = [
        f"{low:g} {unit} and more" if high is None else f"{low:g} to {high:g} {unit}"
        for low, high in zip(bands, ends, strict=True)
    ]
    names = [" ".join(name.replace("1e-06", "0").split()) for name in names]
    return ["not known", *names[1:]] if bands[1] in (0, 1e-6) else names


def band_name(value: float, bands: Sequence[float], unit: str) -> str:
    """Name the band of one value."""
    return band_names(bands, unit)[band([value], bands).index(1)]


def intensity_histogram(images: Iterable[NDArray[np.generic]]) -> tuple[int, ...]:
    """Count the intensities of images of a cache, each image alike, in parts of PARTS.

    Leave out pure black and pure white: padding, and pixels outside the window.
    """
    total, n_images = np.zeros(N_INTENSITY_BINS), 0
    for image in images:
        values = np.bincount(np.asarray(image).ravel(), minlength=256**image.dtype.itemsize)
        values[[0, -1]] = 0
        total += values.reshape(N_INTENSITY_BINS, -1).sum(axis=1) / max(values.sum(), 1)
        n_images += 1
    shares = total / max(n_images, 1)
    return tuple(np.rint(shares * PARTS).astype(int).tolist())


def suppressed(counts: SiteStatistics, min_cell: int, task: Task) -> SiteStatistics:
    """Set counts below the smallest cell to 0, and further ones that the total would reveal.

    `samples` reveals the sum of a list. So the next smallest counts become 0 too, until the hidden
    ones reach a cell together. Findings of a multilabel task overlap, and an image has several
    classes of a segmentation: there a count becomes 0 if it leaves fewer than a cell without.
    """
    lists = {name: suppress(getattr(counts, name), min_cell, counts.samples) for name in COUNTS}
    if task.has_several:
        lists["classes"] = tuple(
            n if n >= min_cell and not 0 < counts.samples - n < min_cell else 0
            for n in counts.classes
        )
    n_left_out = counts.left_out if counts.left_out >= min_cell else 0
    return replace(counts, left_out=n_left_out, **lists)  # type: ignore[arg-type]


def suppress(values: tuple[int, ...], min_cell: int, total: int) -> tuple[int, ...]:
    """Set counts that add up to `total` to 0 where they, or what they leave, are below a cell."""
    left = [n if n >= min_cell else 0 for n in values]
    while 0 < total - sum(left) < min_cell and any(left):
        left[left.index(min(n for n in left if n))] = 0
    return tuple(left)


def lengths(n_classes: int) -> dict[str, int]:
    """Return the length of each list."""
    return {
        "classes": n_classes,
        "sides": len(SIDES),
        "spacings": len(SPACINGS),
        "slices": len(SLICES),
        "ages": len(AGES),
        "sexes": len(SEXES),
        "greys": N_INTENSITY_BINS,
    }


NUMBERS = tuple(f.name for f in fields(SiteStatistics) if f.name not in lengths(0))
