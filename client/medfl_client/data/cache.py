"""Images to cache, by the plan's section on images.

A sample is known by its files' own identity, size and time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfl_client.data.dicom.index import Progress
from medfl_client.data.reader import Reader, Source, pixel_work
from medfl_client.data.records import Cache, Record, Way, bytes_missing, cached_records, hashed
from medfl_common.plan.images import Images

VERSION = 5  # raise it when the same file would give other pixels
CHUNK = 8  # images that a worker decodes at a time; a volume goes alone
CANDIDATES = 16  # patches at a time: a worker reads a series once for those that it has of it
TIMEOUT_S = 120.0  # for a chunk
VOLUME_TIMEOUT_S = 600.0

ImageWay = Way[Source, NDArray[np.generic]]


def cached_pixels(
    sources: Sequence[Source],
    folder: Path,
    images: Images,
    caches: Path,
    reader: Reader,
    progress: Progress | None = None,
) -> Cache:
    """Open the cache of an image section; decode the samples that are not in it yet.

    Raises DataError where the disk has no room; what was decoded before stays.
    """
    way = image_way(folder, images, reader)
    return cached_records(way, sources, identities(sources), caches, progress)


def bytes_needed(n_samples: int, images: Images, caches: Path, reader: Reader) -> int:
    """Say how much the cache of so many samples will still grow, at the least."""
    return bytes_missing(image_way(Path(), images, reader), n_samples, caches)


def image_way(folder: Path, images: Images, reader: Reader) -> ImageWay:
    """Say how a folder's images become records."""
    chunk, timeout_s = (CHUNK, TIMEOUT_S) if images.dimensions == 2 else (1, VOLUME_TIMEOUT_S)
    return Way(
        facts=[VERSION, reader.name, image_facts(images)],
        shape=images.shape,
        least=(images.shape[0], *images.window),
        has_own_shapes=images.patch is not None,
        dtype=np.uint8 if images.bits == 8 else np.uint16,
        work=pixel_work(reader, folder.absolute(), images),
        record=Record,
        chunk=CANDIDATES if images.sample == "candidate" else chunk,
        timeout_s=timeout_s,
    )


def image_facts(images: Images) -> dict[str, object]:
    """Give what decides the pixels of a sample; which samples there are is another matter."""
    chooses = {"modality", "view", "image_types", "sample", "frames", "channels", "graph"}
    facts = images.model_dump(mode="json", exclude=chooses)
    patch = facts.pop("patch")  # of those that draw patches, only how small a volume may be
    return facts if patch is None else {**facts, "at_least": [patch["depth"], patch["size"]]}


def identities(sources: Sequence[Source]) -> list[str]:
    """Name samples; the candidates of a series share the name of its volume, once worked out."""
    volumes = {id(source.rows): source for source in sources}
    names = {key: _identity(source) for key, source in volumes.items() if source.position}
    return [
        hashed([names[id(source.rows)], source.position]) if source.position else _identity(source)
        for source in sources
    ]


def _identity(source: Source) -> str:
    files = [[row.path, row.item, row.sop, row.size, row.mtime_ns] for row in source.rows]
    return hashed([source.frame, files])
