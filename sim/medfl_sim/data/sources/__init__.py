"""Formats of a researcher's images, one file each, through the same index and cache.

Hospitals use DICOM; the others are for public data sets. Their images count as modality
OT (DICOM's word for other), so a plan for them says `modality: [OT]`. They have no window: the rule
`dicom` takes the whole range of 8-bit images. Few 16-bit images use all 16 bits, so it takes the
range that is used: of a PNG file its own, of an archive that of its images, of NIfTI the volume's.
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

SOURCES: Registry[Callable[[], Reader]] = Registry(
    "format", "medfl_sim.data.sources", entry="source"
)

OTHER = "OT"


def to_window(
    pixels: NDArray[np.generic], images: Images, used: tuple[int, int] | None = None
) -> Array:
    """Turn (H, W) or (H, W, 3) integers of 8 or 16 bits into an image by the plan's rule.

    Args:
        pixels: The image.
        images: The plan's.
        used: The lowest and highest value of 16-bit images that belong together; this image's own
            if not given. They become black and white where the rule is `dicom`.
    """
    low, high = used or (int(pixels.min()), int(pixels.max()))
    if pixels.dtype.itemsize == 1:
        low, high = 0, 255
    facts = Dataset()
    facts.PhotometricInterpretation, facts.PixelRepresentation = "MONOCHROME2", 0
    facts.BitsStored = max(high.bit_length(), 1)  # white of colour is its highest value
    width = max(high - low + 1, 2)
    facts.WindowCenter, facts.WindowWidth = low + width / 2, width  # PS3.3 C.11.2.1.2.1
    photometric = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    return to_image(pixels, photometric, facts, images)
