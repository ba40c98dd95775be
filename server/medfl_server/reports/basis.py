"""On whom temperature and thresholds are chosen, and on whom they are told."""

from dataclasses import dataclass

from medfl_common.metrics.counts import ScoreCounts


@dataclass(frozen=True)
class Basis:
    """The counts that choose, and the names of the parts of the data."""

    counts: ScoreCounts | None  # None: no site shares them
    chosen_on: str  # validation
    told_on: str  # test, where there is one

    @property
    def in_words(self) -> str:
        """Say whether the figures are of patients who chose."""
        if self.chosen_on == self.told_on:
            return "The same images chose them, so they look slightly too good"
        return f"The {self.chosen_on} part chose them, the figures are of the {self.told_on} part"
