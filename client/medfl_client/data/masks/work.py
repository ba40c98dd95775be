"""How the sandbox reads masks: a source and its mask files to the labels on the plan's grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.config.mask_files import MaskFiles
from medfl_client.data.masks.files import MaskFile
from medfl_client.data.reader import Reader, Source
from medfl_client.data.sandbox import Work
from medfl_common.plan.images import Images


@dataclass(frozen=True, slots=True)
class MaskJob:
    """One image and its masks."""

    source: Source
    masks: tuple[MaskFile, ...]


@dataclass(frozen=True)
class ReadMask:
    """The labels of one image."""

    labels: NDArray[np.uint8]  # images.shape[1:]: place of the class in the plan, or UNKNOWN_VOXEL
    notes: tuple[str, ...]  # what a person should know, such as contours outside the image
    ml: tuple[float, ...]  # of each class on the image's own grid; NaN: unknown
    unmapped: tuple[str, ...] = ()  # names without a class; then the labels say nothing


def mask_work(
    reader: Reader,
    folder: Path,
    mask_folder: Path,
    images: Images,
    classes: Sequence[str],
    rules: MaskFiles,
) -> Work[MaskJob, ReadMask]:
    """Say how the sandbox reads masks: (source, masks) -> labels on the plan's grid."""
    raise NotImplementedError
