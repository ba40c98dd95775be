"""Volumes that keep a size of their own, one behind the other in a file that is memory-mapped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from medfl_common.errors import DataError

Place = tuple[int, tuple[int, ...]]  # the first byte, the shape


@dataclass(frozen=True)
class OwnShapes:
    """Arrays of one type by their place; nothing is read before it is looked at."""

    arrays: Sequence[NDArray[np.generic]]
    dtype: np.dtype[np.generic]

    @classmethod
    def in_file(cls, path: Path, dtype: np.dtype[np.generic], places: Sequence[Place]) -> Self:
        """Map what lies at some places of a file; raises DataError where the file is too short."""
        if not places:
            return cls([], dtype)
        sizes = [int(np.prod(shape)) * dtype.itemsize for _, shape in places]
        held = path.stat().st_size if path.exists() else 0
        if held < max(at + size for (at, _), size in zip(places, sizes, strict=True)):
            raise DataError(
                "a cache of decoded images is shorter than its table says",
                todo="delete the folder state/cache of the site: it is made anew",
                data="your images are as they were",
            )
        whole = np.memmap(path, dtype=np.uint8, mode="r")
        return cls(
            [
                whole[at : at + size].view(dtype).reshape(shape)
                for (at, shape), size in zip(places, sizes, strict=True)
            ],
            dtype,
        )

    def __len__(self) -> int:
        """Count the arrays."""
        return len(self.arrays)

    def __getitem__(self, place: int | np.int64) -> NDArray[np.generic]:
        """Give one array."""
        return self.arrays[int(place)]


Pixels = NDArray[np.generic] | OwnShapes


def joined(several: Sequence[tuple[Pixels, NDArray[np.int64]]]) -> tuple[Pixels, NDArray[np.int64]]:
    """Join the records of several caches, and the places of samples in them, in order."""
    starts = np.cumsum([0] + [len(pixels) for pixels, _ in several[:-1]])
    rows = [rows + start for (_, rows), start in zip(several, starts, strict=True)]
    own = [pixels for pixels, _ in several if isinstance(pixels, OwnShapes)]
    if own:
        together: Pixels = OwnShapes([a for one in own for a in one.arrays], own[0].dtype)
    else:
        together = np.concatenate([np.asarray(pixels) for pixels, _ in several])
    return together, np.concatenate(rows)
