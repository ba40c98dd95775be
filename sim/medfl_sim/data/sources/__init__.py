"""Formats of a researcher's images, one file each, through the same index and cache.

Hospitals use DICOM; the others are for public data sets. Their images count as modality
OT (DICOM's word for other), so a plan for them says `modality: [OT]`. They have no window: the rule
`dicom` takes the whole range of 8-bit and 16-bit images, and of NIfTI the volume's own.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medfl_client.data.dicom.geometry import Array
from medfl_client.data.dicom.pixels import to_image
from medfl_client.data.reader import Reader
from medfl_common.plan.images import Images
from medfl_common.registry import Registry

SOURCES: Registry[Callable[[], Reader]] = Registry("format", "medfl_sim.data.sources")

OTHER = "OT"


def whole_range(pixels: NDArray[np.generic], images: Images) -> Array:
    """Turn (H, W) or (H, W, 3) integers into an image: 0 is black, the type's highest white."""
    facts = Dataset()
    n_values = 256**pixels.dtype.itemsize
    facts.PhotometricInterpretation, facts.BitsStored = "MONOCHROME2", 8 * pixels.dtype.itemsize
    facts.PixelRepresentation = 0
    facts.WindowCenter, facts.WindowWidth = n_values / 2, n_values  # PS3.3 C.11.2.1.2.1
    photometric = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    return to_image(pixels, photometric, facts, images)
