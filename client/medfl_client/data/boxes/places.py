"""Where each image lies in the network's input, as records of a cache; and its boxes there.

What is cached follows from the images alone: a corrected list of boxes needs no header again.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from medfl_client.data.boxed import Boxes
from medfl_client.data.boxes.field import Field, Floats, field_of, unpacked
from medfl_client.data.boxes.listed import Box
from medfl_client.data.cache import CHUNK, TIMEOUT_S, identities, image_facts
from medfl_client.data.dicom.fault import UNNAMED
from medfl_client.data.dicom.index import Progress
from medfl_client.data.reader import Reader, Source
from medfl_client.data.records import Cache, Record, Way, cached_records
from medfl_client.data.sandbox import Work
from medfl_client.data.selection import Sample
from medfl_common.errors import DataError, MedflError
from medfl_common.plan.images import Images

VERSION = 1  # raise it when the same file would give another place
OTHER_SIZE = "the image has another size than its header said"
OUTSIDE_IMAGE = "a finding of the list of boxes lies outside the volume"
PASSED_OVER = "a box lies outside what the network sees, and is passed over"
CLIPPED = "a box is cut off where what the network sees ends"


@dataclass(frozen=True)
class Placed:
    """The boxes of samples in the network's input, and what became of them.

    boxes: (N,) of each sample.
    notes: (N,) what a person should know.
    reasons: Position among the N -> why the sample cannot be used.
    """

    boxes: list[Boxes]
    notes: list[tuple[str, ...]]
    reasons: dict[int, str]

    @property
    def digests(self) -> list[bytes]:
        """Give a hash of each sample's boxes, whatever their order, to a tenth of a pixel."""
        return [_digest(own) for own in self.boxes]


def place_boxes(
    samples: Sequence[Sample],
    folder: Path,
    images: Images,
    caches: Path,
    reader: Reader,
    progress: Progress | None = None,
) -> Placed:
    """Bring the boxes of samples to the network's input; headers are read once."""
    sources = [sample.source for sample in samples]
    way = _way(folder, images, reader)
    fields = cached_records(way, sources, identities(sources), caches, progress)
    placed = Placed([], [], dict(fields.reasons))
    for place, sample in enumerate(samples):
        boxes, notes = np.zeros((0, 1 + 2 * images.dimensions), np.float32), [*sample.box_notes]
        if fields.rows[place] >= 0:
            try:
                field = unpacked(fields.pixels[int(fields.rows[place])])
                boxes = in_input(sample.boxes, field, notes)
            except ValueError as error:
                placed.reasons[place] = str(error)
        placed.boxes.append(boxes)
        placed.notes.append(tuple(notes))
    return placed


def with_presence(samples: Sequence[Sample], placed: Placed) -> list[Sample]:
    """Say of each sample whether it has a box of each class where the network sees it.

    A class of which nobody knows stays so.
    """
    return [
        replace(sample, targets=presence(own[:, 0].tolist(), _is_known(sample)))
        for sample, own in zip(samples, placed.boxes, strict=True)
    ]


def _is_known(sample: Sample) -> list[bool]:
    return [not math.isnan(value) for value in sample.targets]


def presence(kinds: Sequence[float], is_known: Sequence[bool]) -> tuple[float, ...]:
    """Give 1 for each class that is there, else 0; NaN for one that the list is not about."""
    return tuple(float(k in kinds) if known else math.nan for k, known in enumerate(is_known))


def both(images: Cache, placed: Placed) -> Cache:
    """Give the images of which the boxes could be placed, too."""
    rows = np.array([-1 if i in placed.reasons else row for i, row in enumerate(images.rows)])
    return replace(images, rows=rows.astype(np.int64), reasons={**placed.reasons, **images.reasons})


def in_input(boxes: Sequence[Box], field: Field, notes: list[str]) -> Boxes:
    """Give boxes as (M, 1 + 2 d): class, centre, sides in pixels of the input; add to the notes.

    Raises ValueError where one lies outside the image.
    """
    found = []
    for box in boxes:
        centre, sides = _moved(box, field)
        if (centre < field.low - 1).any() or (centre > field.high + 1).any():
            raise ValueError(OUTSIDE_IMAGE)
        if (centre < 0).any() or (centre > field.sides).any():
            notes.append(PASSED_OVER)
            continue
        first, last = centre - sides / 2, centre + sides / 2
        held, ends = np.maximum(first, 0), np.minimum(last, field.sides)
        if np.abs(held - first).max() > 0.5 or np.abs(last - ends).max() > 0.5:
            notes.append(CLIPPED)
        found.append([box.kind, *((held + ends) / 2), *(ends - held)])
    return np.array(found, np.float32).reshape(-1, 1 + 2 * len(field.sides))


def _moved(box: Box, field: Field) -> tuple[Floats, Floats]:
    """Give centre and sides of a box in the input."""
    ways, offset = field.matrix[:, :-1], field.matrix[:, -1]
    place = np.array(box.place)
    if len(field.sides) == 2:
        first, last = place[:2], place[2:]
        return ways @ (first + last) / 2 + offset, np.abs(ways @ (last - first))
    return ways @ place[:3] + offset, place[3] * np.linalg.norm(ways, axis=1)


def _digest(boxes: Boxes) -> bytes:
    rounded = sorted(np.round(boxes.astype(np.float64), 1).tolist())
    return hashlib.sha256(repr(rounded).encode()).digest()[:16]


def _way(folder: Path, images: Images, reader: Reader) -> Way[Source, Floats]:
    shape = _shape(images)
    return Way(
        facts=[VERSION, "places of boxes", reader.name, image_facts(images)],
        shape=shape,
        least=shape,
        has_own_shapes=False,
        dtype=np.float64,
        work=place_work(reader, folder, images),
        record=Record,
        chunk=CHUNK if images.dimensions == 2 else 1,
        timeout_s=TIMEOUT_S,
    )


def place_work(reader: Reader, folder: Path, images: Images) -> Work[Source, Floats]:
    """Say how the sandbox reads where an image lies in the input: source -> Field.packed()."""
    return Work(
        do=partial(_read, reader, folder.absolute(), images),
        accept=partial(_accept, _shape(images)),
        files=partial(_files, folder.absolute()),
        setup=reader.prepare,
    )


def _shape(images: Images) -> tuple[int, int]:
    return images.dimensions, (3 if images.dimensions == 3 else 2) + 4


def _files(folder: Path, source: Source) -> list[Path]:
    return [folder / row.path for row in source.rows]


def _read(reader: Reader, folder: Path, images: Images, source: Source) -> bytes:
    try:
        grid = reader.grid(folder, source)
        row = source.rows[0]
        if images.dimensions == 2 and grid.shape[1:] != (row.height, row.width):
            raise DataError(OTHER_SIZE)
        return field_of(grid, images).packed().astype("<f8").tobytes()
    except (MedflError, OSError, MemoryError):
        raise
    except Exception:  # whatever a parser makes of it
        raise DataError(UNNAMED) from None


def _accept(shape: tuple[int, int], source: Source, body: memoryview) -> Floats:
    """Take an answer; raises ValueError where it is anything else."""
    record = np.frombuffer(body, dtype="<f8").reshape(shape)
    if not np.isfinite(record).all():
        raise ValueError("a place that no image has")
    return record
