"""Virtual hospitals whose scanners differ: feature skew, simulated on the given images.

Each setting is a number, or a range [low, high] from which every hospital draws its own, once. The
changes act on intensities in 0..1 in the order of acquisition: the detector's resolution and blur,
its response (gain, offset, gamma), noise, the reader's window, inversion. They happen once, before
training, in the bit depth of the cache; the split of patients stays the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection
from medfl_client.data.masked import at
from medfl_client.data.own_shapes import OwnShapes
from medfl_common.errors import ConfigError
from medfl_common.plan.settings import Number, Settings
from medfl_common.seeds import numpy_generator

AT_A_TIME = 256  # images changed together: memory holds float32 copies of them

Floats = NDArray[np.float32]


def _rising(ends: list[Number]) -> list[Number]:
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ValueError("a range is [low, high], low not above high")
    return ends


T = TypeVar("T")
OneOrRange: TypeAlias = T | Annotated[list[T], AfterValidator(_rising)]
Part = Annotated[Number, Field(gt=0, le=1)]
Width = Annotated[Number, Field(gt=0, le=4)]
Factor = Annotated[Number, Field(gt=0, le=10)]
Offset = Annotated[Number, Field(ge=-1, le=1)]
Noise = Annotated[Number, Field(ge=0, le=1)]
Sigma = Annotated[Number, Field(ge=0, le=50)]


class Shift(Settings):
    """What some hospitals' scanners do to an image; each setting left out changes nothing."""

    sites: list[str] | Literal["all"] = "all"
    """The hospitals whose scanners differ."""
    resolution: OneOrRange[Part] = 1.0
    """The fraction of the pixels on a side that remains."""
    blur: OneOrRange[Sigma] = 0.0
    """Sigma of a Gaussian blur, in pixels."""
    gain: OneOrRange[Factor] = 1.0
    """Factor on the intensities."""
    offset: OneOrRange[Offset] = 0.0
    """Offset added to the intensities."""
    gamma: OneOrRange[Factor] = 1.0
    """Exponent of the intensities."""
    noise: OneOrRange[Noise] = 0.0
    """Standard deviation of Gaussian noise."""
    window: OneOrRange[Width] = 1.0
    """Width of the window around the middle; below 1 it raises the contrast."""
    inversion: bool = False
    """Invert the image: black becomes white."""


def shifted(
    collection: Collection, part: Indices, shifts: Sequence[Shift], site: str, seed: int
) -> tuple[Collection, Indices]:
    """Return a site's images as its scanner would give them, and their new positions.

    Args:
        collection: Where its images are.
        part: (N,) their positions.
        shifts: The scenario's; the site's own apply in turn.
        site: Whose images they are.
        seed: The plan's.
    """
    mine = [shift for shift in shifts if shift.sites == "all" or site in shift.sites]
    if not mine:
        return collection, part
    if isinstance(collection.pixels, OwnShapes):
        raise ConfigError("a scanner shift needs images of one size; leave shift or images.patch")
    rng = numpy_generator(seed, "scanner shift", 0, site)
    drawn = [_draw(shift, rng) for shift in mine]
    rows = collection.rows[part]
    pixels = np.empty((len(rows), *collection.pixels.shape[1:]), collection.pixels.dtype)
    highest = np.float32(np.iinfo(pixels.dtype).max)
    for start in range(0, len(rows), AT_A_TIME):
        grey = collection.pixels[rows[start : start + AT_A_TIME]].astype(np.float32) / highest
        for settings in drawn:
            grey = change(grey, settings, rng)
        pixels[start : start + AT_A_TIME] = np.rint(grey * highest)
    changed = replace(
        collection,
        samples=[collection.samples[i] for i in part],
        patients=[collection.patients[i] for i in part],
        pixels=pixels,
        rows=np.arange(len(rows)),
        masks=None if collection.masks is None else at(collection.masks, part),
        boxes=None if collection.boxes is None else [collection.boxes[i] for i in part],
    )
    return changed, np.arange(len(rows))


def change(grey: Floats, settings: dict[str, float], rng: np.random.Generator) -> Floats:
    """Change images (N, C, [D,] S, S) in 0..1 as one scanner would; they stay in 0..1."""
    from scipy.ndimage import gaussian_filter  # where it is used: 0.2 s to import

    if settings["resolution"] < 1:
        grey = _coarser(grey, settings["resolution"])
    if settings["blur"]:
        sigma = (0.0, 0.0, *[settings["blur"]] * (grey.ndim - 2))
        grey = np.asarray(gaussian_filter(grey, sigma), np.float32)
    grey = np.clip(settings["gain"] * grey + settings["offset"], 0, 1) ** settings["gamma"]
    if settings["noise"]:
        grey = grey + settings["noise"] * rng.standard_normal(grey.shape, np.float32)
    grey = np.clip((grey - 0.5) / settings["window"] + 0.5, 0, 1)
    return np.asarray(1 - grey if settings["inversion"] else grey, np.float32)


def _coarser(grey: Floats, part: float) -> Floats:
    """Shrink images and enlarge them again; the slices of volumes stay."""
    flat = torch.from_numpy(grey).reshape(-1, 1, *grey.shape[-2:])
    small = [max(1, round(side * part)) for side in grey.shape[-2:]]
    coarse = torch.nn.functional.interpolate(flat, small, mode="area")
    back = torch.nn.functional.interpolate(coarse, grey.shape[-2:], mode="bilinear")
    return np.asarray(back.reshape(grey.shape).numpy())


def _draw(shift: Shift, rng: np.random.Generator) -> dict[str, float]:
    settings = shift.model_dump(exclude={"sites"})
    return {
        name: float(rng.uniform(*value)) if isinstance(value, list) else float(value)
        for name, value in settings.items()
    }
