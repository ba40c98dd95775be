"""One virtual hospital per value of a column of the label file."""

from typing import ClassVar

import numpy as np

from medfl_common.errors import ConfigError
from medfl_common.plan.settings import Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, by_value, refuse_two_values


@PARTITIONERS.register("column")
class Column(Settings):
    """Group images by a column into sites `column-value`, ordered by value."""

    column: str
    """A column of the label file."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = False

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Group the images; raises ConfigError without the column or for a patient at two sites."""
        if self.column not in table.cells[0]:
            known = ", ".join(table.cells[0])
            raise ConfigError(f"the label file has no column {self.column!r}; known: {known}")
        values = [cells[self.column] for cells in table.cells]
        refuse_two_values(table, values, f"column {self.column}")
        return by_value(table, values, self.column)
