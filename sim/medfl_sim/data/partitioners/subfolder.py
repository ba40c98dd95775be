"""One virtual hospital per folder below the data folder."""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from medfl_common.errors import ConfigError
from medfl_common.plan.settings import Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, by_value


@PARTITIONERS.register("subfolder")
class Subfolder(Settings):
    """Group images by the first folder of their path, or by the level-th.

    A patient with images in several folders goes, whole, to the one with the most.
    """

    level: Annotated[int, Field(ge=1)] = 1
    """Which folder of an image's path, counted from 1."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = False

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Group the images; raises ConfigError if one does not lie so deep."""
        folders = [name.split("/")[:-1] for name in table.names]
        if shallow := sum(len(parts) < self.level for parts in folders):
            raise ConfigError(
                f"{shallow} of {len(folders)} images lie in no folder of level {self.level} below "
                "the data folder"
            )
        return by_value(table, [parts[self.level - 1] for parts in folders], "folder")
