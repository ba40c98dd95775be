"""One virtual hospital per year, or span of years, of acquisition, to study drift."""

from bisect import bisect_right
from typing import ClassVar

import numpy as np
from pydantic import Field

from medfl_common.plan.settings import Settings
from medfl_sim.data.partitioners import PARTITIONERS, Parts, Table, by_value


@PARTITIONERS.register("year")
class Year(Settings):
    """Group images by the year of StudyDate, or by the spans that `begins` starts.

    A patient with several years goes, whole, to the most frequent one. An image without a date is
    at `year-0`.
    """

    begins: list[int] = Field(default=[])
    """Years in which spans begin. `[2010, 2015]`: before 2010, 2010 to 2014, from 2015."""

    least: ClassVar[int] = 1
    needs_sites: ClassVar[bool] = False

    def partition(self, table: Table, n_sites: int, rng: np.random.Generator) -> Parts:
        """Group the images; sites are in order of time."""
        begins = sorted(self.begins)
        spans = [f"before-{begins[0]}", *(f"from-{year}" for year in begins)] if begins else []
        values = [
            spans[bisect_right(begins, year)] if spans and year else str(year)
            for year in table.years
        ]
        return by_value(table, values, "year")
