"""Own masks beside own images, as NIfTI files that medfl reads as any."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medfl_common.errors import ConfigError
from medfl_common.plan.plan import Plan
from medfl_sim.own.volumes import Volume, to_nifti, volumes_of

SUFFIX = "_mask"
Pair = tuple[Volume, Volume]  # an image, and its mask


def pairs_of(
    images: Sequence[Any], masks: Sequence[Any], spacing_mm: Sequence[float], plan: Plan
) -> list[Pair]:
    """Turn images and masks into NIfTI's axes.

    Args:
        images: (D, H, W), or in a 2D plan (H, W); with one channel in front or without.
        masks: Of the same shape, the number of a class at each place; 0 is the background.
        spacing_mm: Between slices, rows and columns.
        plan: Names the classes.
    """
    if plan.images.dimensions == 2:
        images, masks = (
            [_one_slice(x, i) for i, x in enumerate(given)] for given in (images, masks)
        )
    pairs = [*zip(volumes_of(images, spacing_mm), volumes_of(masks, spacing_mm), strict=True)]
    highest = len(plan.task.classes) - 1
    for i, ((image, _), (mask, _)) in enumerate(pairs):
        if image.shape != mask.shape:
            raise ConfigError(
                f"mask {i} has another shape than its image", todo="give a class for each place"
            )
        if not np.isin(mask, range(highest + 1)).all():
            raise ConfigError(
                f"mask {i} holds more than whole numbers from 0 to {highest}",
                todo=f"give the number of a class, in the order {', '.join(plan.task.classes)}",
            )
    return pairs


def write_pairs(
    folder: Path, pairs: Sequence[Pair], labels: Sequence[list[int]], patients: Sequence[str]
) -> None:
    """Write images and masks beside each other, in a folder for each patient."""
    known = {name: f"p{n:06d}" for n, name in enumerate(dict.fromkeys(patients)) if name}
    for i, ((image, mask), patient) in enumerate(zip(pairs, patients, strict=True)):
        place = folder / known.get(patient, f"image-{i:06d}")
        place.mkdir(parents=True, exist_ok=True)
        to_nifti(*image, place / f"{i:06d}.nii.gz")
        to_nifti(mask[0].astype(np.uint8), mask[1], place / f"{i:06d}{SUFFIX}.nii.gz")


def mask_keys(plan: Plan) -> dict[str, object]:
    """Say in a site file what the masks mean."""
    names = {str(n): name for n, name in enumerate(plan.task.classes) if n}
    return {
        "labels_from": "masks", "masks": {"suffix": SUFFIX, "names": names},
        "patient_from_folder": True,
    }  # fmt: skip


def _one_slice(given: Any, i: int) -> Any:
    values = np.asarray(given)
    values = values[0] if values.ndim == 3 and len(values) == 1 else values
    if values.ndim != 2:
        raise ConfigError(
            f"image or mask {i} is {values.shape}, not (H, W)",
            todo="give one channel, and a 2D mask",
        )
    return values[None]
