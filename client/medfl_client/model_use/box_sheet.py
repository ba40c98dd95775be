"""Images with the boxes that a model found, side by side on one sheet; it stays at the hospital."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.boxes.slices import in_slice
from medfl_client.model_use.box_looks import as_boxes
from medfl_client.model_use.looks import eight_bits
from medfl_client.training.detections import Found
from medfl_common.files import write_atomic
from medfl_common.ui.overlay import boxed

MOST_TILES = 24  # the first images that have a box
ACROSS = 4  # tiles
SIDE = 256  # pixels of a tile, at least
CAPTION = 16  # pixels above it
MADE_BY = "medfl predict, boxes"  # in a file, says that the next predict may overwrite it


@dataclass(frozen=True)
class Tile:
    """One image with its boxes, (H, W, 3), and what is written above it."""

    image: NDArray[np.uint8]
    caption: str


def tile_of(
    number: int, record: NDArray[np.generic], found: Found, before: Sequence[Tile]
) -> list[Tile]:
    """Draw what was found in a record (C, [D,] H, W); nothing where that is nothing.

    Of a volume the slice through the surest box, with all that it cuts.
    """
    if not len(found.scores) or len(before) >= MOST_TILES:
        return []
    drawn = _drawn(np.asarray(record), found)
    return [Tile(drawn, f"image {number}, surest {float(found.scores[0]):.2f}")]


def _drawn(record: NDArray[np.generic], found: Found) -> NDArray[np.uint8]:
    """Draw boxes over a picture, or over the slice through the surest of them."""
    boxes, image = as_boxes(found), record
    if record.ndim == 4:
        at = min(int(boxes[0, 1]), record.shape[1] - 1)
        boxes, image = in_slice(boxes, at), record[:, at]
    return boxed(eight_bits(image), boxes, SIDE)


def write_sheet(tiles: Sequence[Tile], path: Path) -> None:
    """Write tiles as a PNG, in rows."""
    import io

    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngInfo

    height = max(tile.image.shape[0] for tile in tiles) + CAPTION
    width = max(tile.image.shape[1] for tile in tiles) + 2
    n_rows, n_across = -(-len(tiles) // ACROSS), min(len(tiles), ACROSS)
    sheet = Image.new("RGB", (width * n_across, height * n_rows))
    pen = ImageDraw.Draw(sheet)
    for i, tile in enumerate(tiles):
        left, top = i % ACROSS * width, i // ACROSS * height
        pen.text((left + 2, top + 2), tile.caption, fill="white")
        sheet.paste(Image.fromarray(tile.image), (left, top + CAPTION))
    content, says = io.BytesIO(), PngInfo()
    says.add_text("Software", MADE_BY)
    sheet.save(content, "PNG", pnginfo=says)
    write_atomic(path, content.getvalue(), 0o600)


def is_sheet(start: bytes) -> bool:
    """Say by the first bytes of a file whether it is a sheet."""
    return start.startswith(b"\x89PNG") and MADE_BY.encode() in start
