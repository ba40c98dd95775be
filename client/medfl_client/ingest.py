"""A site's folder to the data of a plan: index, labels, selection, cache, split."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medfl_client.dataset import ImageSet, Indices, SiteData, encode_targets, split
from medfl_client.dicom.index import scan
from medfl_client.labels import read_labels
from medfl_client.preprocess import Progress, cached_pixels
from medfl_client.selection import Sample, select
from medfl_client.site_file import DataFiles, site_secret
from medfl_common.errors import DataError
from medfl_common.plan import Plan


@dataclass(frozen=True)
class Collection:
    """Every image of a folder that takes part in a plan, decoded; and what does not, with why.

    pixels: (N_cache, 1, S, S); rows: (N,) the place of each sample in it.
    """

    samples: list[Sample]
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
    rows: Indices
    refused: dict[str, str]  # path -> reason
    n_labels_unused: int  # label rows without an image


def collect(
    base: Path, state: Path, data: DataFiles, plan: Plan, progress: Progress | None = None
) -> Collection:
    """Read a folder for a plan; paths in `data` are relative to `base`.

    Raises DataError where no image is left: the message counts the files by reason.
    """
    folder = base / data.folder
    secret = site_secret(state)
    rows = scan(folder, state / "index.sqlite", secret)
    selection = select(rows, read_labels(base / data.labels, data), data, plan, secret, folder)
    _refuse_nothing(len(selection.samples), selection.refused, folder)
    cache = cached_pixels(
        [sample.row for sample in selection.samples], folder, plan.images, state / "cache", progress
    )
    kept = [i for i, s in enumerate(selection.samples) if s.row.path not in cache.refused]
    refused = selection.refused | cache.refused
    _refuse_nothing(len(kept), refused, folder)
    return Collection(
        samples=[selection.samples[i] for i in kept],
        pixels=cache.pixels,
        rows=np.array(kept, dtype=np.int64),
        refused=refused,
        n_labels_unused=selection.n_labels_unused,
    )


def count_reasons(refused: dict[str, str]) -> dict[str, int]:
    """Count refused files by reason, most frequent first."""
    return dict(Counter(refused.values()).most_common())


def _refuse_nothing(n_images: int, refused: dict[str, str], folder: Path) -> None:
    if n_images == 0:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in count_reasons(refused).items())
        raise DataError(
            f"no image in {folder.resolve()} can be used ({reasons or 'the folder is empty'}); "
            "nothing was trained and nothing was sent"
        )


def site_data(
    collection: Collection, plan: Plan, site: str, part: Indices | None = None
) -> SiteData:
    """Split a collection, or the samples of it at the positions `part`, for one site."""
    positions = np.arange(len(collection.samples)) if part is None else np.sort(part)
    samples = [collection.samples[i] for i in positions]
    labels = [sample.label for sample in samples]
    train, validation = split([sample.row.patient for sample in samples], labels, plan, site)
    targets = encode_targets(labels, plan)

    def image_set(chosen: Indices) -> ImageSet:
        rows = collection.rows[positions[chosen]]
        return ImageSet(collection.pixels, rows, targets[chosen], plan.images.channels)

    return SiteData(image_set(train), image_set(validation))
