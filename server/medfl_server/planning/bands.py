"""Where the middle of all hospitals' samples lies, from counts in bands; no value leaves a site."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from medfl_common.errors import ConfigError
from medfl_common.metrics.site_statistics import (
    SIDES,
    SLICES,
    SPACINGS,
    SiteStatistics,
    band_names,
)

BANDS = {"spacings": SPACINGS, "slices": SLICES, "sides": SIDES}
WORDS = {"spacings": "pixel spacing", "slices": "slice thickness", "sides": "longer side"}
UNITS = {"spacings": "mm", "slices": "mm", "sides": "pixels"}


@dataclass(frozen=True)
class Band:
    """A band with two ends."""

    low: float
    high: float
    name: str

    @property
    def middle(self) -> float:
        """Give its geometric middle, with two digits."""
        return float(f"{sqrt(self.low * self.high):.2g}")


@dataclass(frozen=True)
class Counted:
    """All hospitals' samples by bands of one length.

    of: `spacings`, `slices` or `sides`.
    counts: In each band; the first band of spacings and slices is what is not known.
    hidden: Samples that no band tells of: policies hold small counts back.
    """

    of: str
    counts: tuple[int, ...]
    hidden: int

    @property
    def names(self) -> list[str]:
        """Name the bands."""
        return band_names(BANDS[self.of], UNITS[self.of])

    @property
    def known(self) -> tuple[int, ...]:
        """Give the counts of the bands, 0 where it stands for what is not known."""
        return self.counts if self.of == "sides" else (0, *self.counts[1:])

    @property
    def unknown(self) -> int:
        """Count the samples whose files do not say it."""
        return sum(self.counts) - sum(self.known)

    def place(self, part: float, what: str) -> int:
        """Say in which band this part of the samples is reached; 0.5: the median.

        Raises ConfigError where hidden samples could move it to another band.
        """
        n_known = sum(self.known)
        if not n_known:
            raise ConfigError(f"no hospital told the {WORDS[self.of]} of a sample")
        first, last = (self._reached(part, at) for at in (0 if self.of == "sides" else 1, -1))
        if first != last:
            raise ConfigError(
                f"the {what} {WORDS[self.of]} lies between the bands {self.names[first]} and "
                f"{self.names[last]}: of {n_known + self.hidden:,} samples {self.hidden:,} are "
                "held back"
            )
        return first

    def band(self, part: float, what: str) -> Band:
        """Give the band in which this part of the samples is reached; it has two ends.

        Raises ConfigError where the band is not known, or too wide to say a number.
        """
        place = self.place(part, what)
        if place + 1 == len(self.counts) or BANDS[self.of][place] <= 1e-6:
            raise ConfigError(
                f"the {what} {WORDS[self.of]} is {self.names[place]}, a band too wide for a number"
            )
        low, high = BANDS[self.of][place : place + 2]
        return Band(low, high, self.names[place])

    def _reached(self, part: float, hidden_in: int) -> int:
        """Say which band it is, if all hidden samples lie in one."""
        counts = np.array(self.known)
        counts[hidden_in] += self.hidden
        return int(np.searchsorted(np.cumsum(counts), part * counts.sum()))


def add_up(sites: Iterable[SiteStatistics], of: str) -> Counted:
    """Add up the hospitals' counts: each sample counts alike, wherever it is."""
    told = [*sites]
    counts = np.sum([getattr(site, of) for site in told], axis=0)
    hidden = sum(max(site.samples - sum(getattr(site, of)), 0) for site in told)
    return Counted(of, tuple(counts.tolist()), hidden)
