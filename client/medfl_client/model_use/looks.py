"""Images of a case with its outlines, and a model's beside them, for people at the hospital."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from medfl_client.data.dataset import Examples, ImageSet, SiteData
from medfl_client.data.ingest import Collection
from medfl_client.data.patch_set import Volumes
from medfl_client.model_use.outlines import shares_of
from medfl_client.training.mask_scores import dice_of_cases
from medfl_common.errors import DataError
from medfl_common.files import write_atomic
from medfl_common.models.network import Network
from medfl_common.plan.plan import Plan
from medfl_common.ui.overlay import outlined

N_SLICES = 9  # of a volume
SIDE = 384  # pixels of an image, at least
GAP = 8  # between truth and prediction

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Model:
    """What outlines beside the truth."""

    network: Network
    device: torch.device


def find_case(collection: Collection, case: str) -> int:
    """Find a sample by its number from 1, a path, or a SOP or series UID.

    Raises DataError where there is none, or more than one.
    """
    samples = collection.samples
    if case.isdecimal() and 1 <= int(case) <= len(samples):
        return int(case) - 1
    found = [
        place
        for place, sample in enumerate(samples)
        if any(case in (row.path, row.name, row.sop, row.series) for row in sample.source.rows)
    ]
    if len(found) != 1:
        raise DataError(
            f"{case!r} is {'none' if not found else f'{len(found)}'} of the {len(samples)} cases",
            todo="medfl-client look SITE lists them; name one by its number, path or UID",
        )
    return found[0]


def write_look(
    collection: Collection, place: int, plan: Plan, model: Model | None, folder: Path
) -> list[Path]:
    """Write a case's images with its outlines into a folder: of a volume some slices.

    With a model its outlines are beside the truth, on the right.
    """
    assert collection.masks is not None
    pixels = np.asarray(collection.pixels[collection.rows[place]])
    truth = np.asarray(collection.masks.labels[collection.masks.rows[place]], np.uint8)
    shown = [truth]
    if model is not None:
        shares = shares_of(model.network, pixels, plan, model.device)
        shown.append(np.asarray(shares.argmax(axis=0), np.uint8))
    if truth.ndim == 2:
        pixels, shown = pixels[:, None], [one[None] for one in shown]
    empty(folder)
    paths = []
    for at in slices_shown(shown):
        path = folder / f"slice-{at + 1:03d}.png"
        image = eight_bits(pixels[:, at])
        tiles = [outlined(image, one[at], plan.task.foreground, SIDE) for one in shown]
        write_tiles(path, tiles)
        paths.append(path)
    return paths


def slices_shown(labels: Sequence[Labels]) -> list[int]:
    """Choose slices of (D, H, W) labels, evenly from the first to the last that has an outline."""
    filled = np.any([(one > 0).any(axis=(1, 2)) for one in labels], axis=0)
    there = np.flatnonzero(filled) if filled.any() else np.arange(len(filled))
    places = np.linspace(there[0], there[-1], N_SLICES)
    return sorted({round(place) for place in places.tolist()})


def worst_cases(
    data: SiteData, collection: Collection, plan: Plan, model: Model, n: int
) -> list[tuple[int, float]]:
    """Give the places and mean Dice of the cases that the model outlines worst, worst first.

    Of validation and test cases that have a class; classes that a case has not do not count.
    """
    found: list[tuple[float, int]] = []
    place_of = {int(row): place for place, row in enumerate(collection.rows)}
    for part in (data.validation, data.test):
        if len(part):
            dice = dice_of_cases(model.network, part, plan, model.device)
            means = [float(np.nanmean(one)) if not np.isnan(one).all() else np.nan for one in dice]
            found += list(zip(means, (place_of[row] for row in rows_of(part)), strict=True))
    told = sorted(one for one in found if not np.isnan(one[0]))
    return [(place, mean) for mean, place in told[:n]]


def rows_of(part: Examples) -> list[int]:
    """Give the records of a set in its order."""
    assert isinstance(part, ImageSet | Volumes)
    return [int(row) for row in part.rows]


def empty(folder: Path) -> None:
    """Make a folder for a case, or take out what was written into it before."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.glob("slice-*.png"):
        old.unlink()


def eight_bits(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Turn (1 or 3, H, W) of a cache into (H, W) or (H, W, 3) of 8 bits."""
    shown = pixels.astype(np.uint16) >> (8 if pixels.dtype == np.uint16 else 0)
    image = np.moveaxis(shown, 0, -1).astype(np.uint8)
    return image if image.shape[-1] == 3 else image[..., 0]


def write_tiles(path: Path, tiles: Sequence[NDArray[np.uint8]]) -> None:
    """Write images (H, W, 3) side by side into one file."""
    import io

    from PIL import Image

    gap = np.full((tiles[0].shape[0], GAP, 3), 255, dtype=np.uint8)
    row = [tiles[0], *(part for tile in tiles[1:] for part in (gap, tile))]
    content = io.BytesIO()
    Image.fromarray(np.concatenate(row, axis=1)).save(content, "PNG")
    write_atomic(path, content.getvalue(), 0o600)
