"""One data set becomes virtual hospitals, one file per way; no image is lost, none is at two."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medfl_client.dataset import Indices
from medfl_common.registry import Registry


@dataclass(frozen=True)
class Table:
    """What a partitioner may look at: (N,) entries, one per image.

    patients: pseudonyms; cells: the image's line of the label file; labels: the image's class.
    """

    patients: list[str]
    cells: list[dict[str, str]]
    labels: list[int]


# (table, argument after the colon, sites wanted, generator) -> site name -> positions of images
Partitioner = Callable[[Table, str, int | None, np.random.Generator], dict[str, Indices]]
PARTITIONERS: Registry[Partitioner] = Registry("partition", "medfl_sim.partitioners")
