"""Images of a case with its boxes, for people at the hospital."""

from pathlib import Path

import numpy as np

from medfl_client.data.boxes.slices import in_slice, through_findings
from medfl_client.data.ingest import Collection
from medfl_client.model_use.looks import N_SLICES, SIDE, eight_bits, empty, write_tiles
from medfl_common.ui.overlay import boxed


def write_boxes(collection: Collection, place: int, folder: Path) -> list[Path]:
    """Write a case's images with its boxes: of a volume the slices through the findings."""
    assert collection.boxes is not None
    pixels = np.asarray(collection.pixels[collection.rows[place]])
    boxes = collection.boxes[place]
    own = {0: boxes}
    if pixels.ndim == 4:
        places = through_findings(boxes, pixels.shape[1], N_SLICES)
        own = {at: in_slice(boxes, at) for at in places}
    else:
        pixels = pixels[:, None]
    empty(folder)
    paths = []
    for at, some in own.items():
        paths.append(folder / f"slice-{at + 1:03d}.png")
        write_tiles(paths[-1], [boxed(eight_bits(pixels[:, at]), some, SIDE)])
    return paths
