"""Curves over rounds, of bounded length."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

Value = TypeVar("Value")
MOST_POINTS = 400
ALL = ""  # of all sites together
MOST_LINES = 8  # of single sites; of more their quantiles are drawn
PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the sites that are below each of a round's quantiles

Quantiles = tuple[float, ...]


class Thinned(Generic[Value]):
    """A curve of at most MOST_POINTS points, evenly over all rounds, and its newest point."""

    def __init__(self) -> None:
        self._points: list[tuple[int, Value]] = []
        self._step, self._n = 1, 0
        self.newest: tuple[int, Value] | None = None

    def add(self, x: int, y: Value) -> None:
        """Take the next point; every second one goes where there are too many."""
        self.newest = (x, y)
        if self._n % self._step == 0:
            self._points.append((x, y))
            if len(self._points) >= MOST_POINTS:
                del self._points[1::2]
                self._step *= 2
        self._n += 1

    @property
    def points(self) -> list[tuple[int, Value]]:
        """The points, in the order added."""
        is_last = self.newest is None or self._points[-1] == self.newest
        return [*self._points] if is_last else [*self._points, self.newest]  # type: ignore[list-item]


class Curves:
    """One score over rounds: of all sites together, and of each, or quantiles of many sites."""

    def __init__(self) -> None:
        self.all: Thinned[float] = Thinned()
        self.sites: dict[str, Thinned[float]] = {}
        self.quantiles: Thinned[Quantiles] = Thinned()
        self._names: set[str] = set()
        self._places: dict[str, int] = {}  # digits after the point; ALL: of all sites together

    @property
    def n_sites(self) -> int:
        """Count the sites that have ever told a score."""
        return len(self._names)

    @property
    def is_many(self) -> bool:
        """Say whether the sites are too many for a line each."""
        return len(self._names) > MOST_LINES

    def round_to(self, places: Mapping[str, int]) -> None:
        """Note how many digits after the point the images of each site, and of ALL, allow."""
        self._places |= places

    def written(self, value: float, name: str) -> str:
        """Write a value of a site, or of ALL, with the digits that its images allow."""
        return f"{value:.{self._places.get(name, 3)}f}"

    def edge(self, value: float) -> str:
        """Write a quantile of the sites, with the digits that the smallest allows."""
        fewest = min((n for name, n in self._places.items() if name != ALL), default=3)
        return f"{value:.{fewest}f}"

    def add(self, x: int, whole: float | None, sites: dict[str, float]) -> None:
        """Take the values of one model."""
        if whole is not None:
            self.all.add(x, whole)
        if sites:
            self._names |= sites.keys()
            self.quantiles.add(x, quantiles([*sites.values()]))
        if self.is_many:
            self.sites.clear()
            return
        for name, value in sites.items():
            self.sites.setdefault(name, Thinned()).add(x, value)


def quantiles(values: Sequence[float]) -> Quantiles:
    """Give the lowest, the quartiles and the highest; each is one of the values."""
    ordered = sorted(values)
    return tuple(ordered[round(part * (len(ordered) - 1))] for part in PARTS)
