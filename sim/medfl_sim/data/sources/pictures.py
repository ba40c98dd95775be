"""PNG and JPEG files; each is its own patient, unless a CSV column names one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydicom.dataset import Dataset

from medfl_client.data.dicom.frames import MAX_PIXELS
from medfl_client.data.dicom.geometry import Array
from medfl_client.data.dicom.header import Row, Rules, pseudonym
from medfl_client.data.masks.grid import Grid
from medfl_client.data.reader import Source
from medfl_common.errors import DataError
from medfl_common.plan.images import Images
from medfl_sim.data.sources import OTHER, SOURCES, to_window

DEEP = ("I;16", "I;16L", "I;16B")  # Pillow's names of 16-bit grey


@SOURCES.register("pictures")
@dataclass(frozen=True)
class PictureReader:
    """Reads PNG and JPEG, 8 or 16 bits of grey, or colour."""

    name: str = "pictures"

    def rows(self, path: Path, name: str, rules: Rules) -> list[Row]:
        """Read the size and kind; raises DataError for another kind of file."""
        facts = path.stat()
        with _open(path) as image:
            width, height = image.size
            is_grey = image.mode in ("1", "L", *DEEP)
        row = Row(
            path=name,
            size=facts.st_size,
            mtime_ns=facts.st_mtime_ns,
            sop=name,
            patient=pseudonym(rules.secret, name),
            modality=OTHER,
            height=height,
            width=width,
            samples=1 if is_grey else 3,
            photometric="MONOCHROME2" if is_grey else "RGB",
        )
        return [row]

    def grid(self, folder: Path, source: Source) -> Grid:
        """Give its size; a picture has no place."""
        row = source.rows[0]
        return Grid((1, row.height, row.width), Dataset())

    def prepare(self) -> bool:
        """Leave the worker free to open files and to import: these are a researcher's own."""
        return False

    def image(self, folder: Path, source: Source, images: Images) -> Array:
        """Decode one file."""
        if images.dimensions == 3:
            raise DataError("an image is no volume; the plan has dimensions: 3")
        with _open(folder / source.rows[0].path) as image:
            if image.mode in DEEP:
                return to_window(np.asarray(image).astype(np.uint16), images)
            mode = "L" if source.rows[0].samples == 1 else "RGB"
            return to_window(np.asarray(image.convert(mode)), images)


def _open(path: Path) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # above it Pillow warns, above twice of it refuses
    try:
        return Image.open(path, formats=("PNG", "JPEG"))
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise DataError("no PNG or JPEG image") from None
