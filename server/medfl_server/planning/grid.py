"""Pixels and slices of one plan for all: spacing, and what a volume has at that spacing.

Isensee, Jaeger, Kohl, Petersen, Maier-Hein: nnU-Net. Nature Methods 18, 2021. Its plan is made from
all samples; plans made site by site differ, and no network would fit them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil

from medfl_common.errors import ConfigError
from medfl_common.metrics.site_statistics import SIDES, SiteStatistics
from medfl_server.planning.bands import Band, Counted, add_up
from medfl_server.planning.proposals import Choice

ANISOTROPIC = 3  # slices so many times as thick as pixels are apart, as in nnU-Net
FINE_SLICES = 0.1  # the percentile that nnU-Net takes there
MOST_PIXELS, MOST_SLICES = 2048, 512  # that a plan can say
FEWEST_SLICES = 4
ROUND = 8  # the sides of whole volumes are multiples of it


@dataclass(frozen=True)
class Wishes:
    """What the coordinator says, in place of what the bands say; None: nothing."""

    spacing_mm: float | None = None
    slice_mm: float | None = None
    width_mm: float | None = None  # across the widest image
    depth_mm: float | None = None  # along the slices of the longest volume
    memory_gb: float = 8.0  # of the machine that trains


@dataclass(frozen=True)
class Grid:
    """Spacing, and the pixels and slices of a volume at that spacing; depth 0: a picture."""

    spacing_mm: Choice
    slice_mm: Choice | None
    size: Choice  # the most
    depth: Choice | None
    usual: tuple[int, ...]  # ([slices,] pixels) of the median volume


@dataclass
class Questions:
    """What the bands do not say, each with the option that says it."""

    options: Mapping[str, str]
    open: list[str]

    def settle(self, key: str, wish: float | None, find: Callable[[], Choice]) -> Choice:
        """Take the wish, else what is found, else note the question."""
        if wish is not None:
            return Choice(wish, f"as --{key} says")
        try:
            return find()
        except ConfigError as error:
            self.open.append(f"--{key}, {self.options[key]}: {error.what}")
            return Choice(1.0, "")

    def raise_if_open(self) -> None:
        """Raise ConfigError with all questions at once."""
        if self.open:
            raise ConfigError(
                "the hospitals' counts do not decide the plan:\n  " + "\n  ".join(self.open),
                todo="ask the hospitals, and give the numbers as options",
                data="nothing was written",
            )


OPTIONS = {
    "spacing-mm": "millimetres between pixels",
    "slice-mm": "millimetres between slices",
    "width-mm": "the width of the widest image",
    "depth-mm": "the extent of the longest volume along its slices",
}


def grid(sites: Mapping[str, SiteStatistics], wishes: Wishes, is_volume: bool) -> Grid:
    """Propose the spacing, and the most pixels and slices; raises ConfigError with questions."""
    ask = Questions(OPTIONS, [])
    spacings, sides = add_up(sites.values(), "spacings"), add_up(sites.values(), "sides")
    spacing = ask.settle("spacing-mm", wishes.spacing_mm, lambda: _spacing(spacings))
    spacing_mm = number(spacing)
    apart = None
    if is_volume:
        slices = add_up(sites.values(), "slices")
        apart = ask.settle("slice-mm", wishes.slice_mm, lambda: _slices(slices, spacing_mm))
    own = partial(_own_spacing, spacings, wishes.spacing_mm)
    width = ask.settle("width-mm", wishes.width_mm, lambda: _width(sides, own()))
    deep = ask.settle("depth-mm", wishes.depth_mm, _no_depth) if is_volume else None
    ask.raise_if_open()
    size = _size(width, spacing_mm)
    usual_side = int(number(size))
    if wishes.width_mm is None:
        own_pixels = sides.band(0.5, "median").middle
        usual_side = min(round(own_pixels * own() / spacing_mm), usual_side)
    if apart is None or deep is None:
        return Grid(spacing, None, size, None, (usual_side,))
    depth = _deep(deep, apart)
    return Grid(spacing, apart, size, depth, (int(number(depth)), usual_side))


def _spacing(counted: Counted) -> Choice:
    band = counted.band(0.5, "median")
    return Choice(band.middle, _middle_of(band, "the median"))


def _own_spacing(counted: Counted, wish: float | None) -> float:
    """Give the median spacing of the images, whatever the plan resamples them to."""
    band = counted.band(0.5, "median")
    return wish if wish is not None and band.low <= wish < band.high else band.middle


def _slices(counted: Counted, spacing_mm: float) -> Choice:
    """Take the median; where slices are thick, their 10th percentile, but no finer than pixels."""
    band = counted.band(0.5, "median")
    if band.middle <= ANISOTROPIC * spacing_mm:
        return Choice(band.middle, f"{_middle_of(band, 'the median')}, of slice thickness")
    fine = counted.band(FINE_SLICES, "10th percentile of the")
    why = f"thick slices: {_middle_of(fine, 'the 10th percentile')}, of slice thickness"
    return Choice(max(fine.middle, spacing_mm), why)


def _width(counted: Counted, own_mm: float) -> Choice:
    """Take the end of the highest band that has samples, at the images' median spacing."""
    counted.band(0.5, "median")
    place = max(i for i, n in enumerate(counted.counts) if n)
    if place + 1 == len(SIDES):
        raise ConfigError(f"the longest side is {counted.names[place]}, a band without an end")
    hidden = f"; {counted.hidden:,} samples are held back" if counted.hidden else ""
    return Choice(
        SIDES[place + 1] * own_mm,
        f"{SIDES[place + 1]} pixels of {own_mm:g} mm, more than any told side has{hidden}; "
        "--width-mm says it better",
    )


def _no_depth() -> Choice:
    raise ConfigError("hospitals do not tell how many slices a volume has")


def _size(width: Choice, spacing_mm: float) -> Choice:
    least = ceil(round(number(width) / spacing_mm, 6) / ROUND) * ROUND
    _check_most(least, MOST_PIXELS, "pixels across", "--spacing-mm or a smaller --width-mm")
    return Choice(max(least, 2 * ROUND), _at_most(width))


def _deep(deep: Choice, apart: Choice) -> Choice:
    least = ceil(round(number(deep) / number(apart), 6))
    _check_most(least, MOST_SLICES, "slices", "--slice-mm or a smaller --depth-mm")
    return Choice(max(least, FEWEST_SLICES), _at_most(deep))


def _at_most(length: Choice) -> str:
    return f"at the most: {number(length):.4g} mm, {length.why}; what is beyond is cut off"


def _check_most(least: int, most: int, of: str, options: str) -> None:
    if least > most:
        raise ConfigError(
            f"the largest volume has {least:,} {of} at this spacing, a plan {most:,} at the most",
            todo=f"give a larger {options}; what is beyond is cut off",
            data="nothing was written",
        )


def _middle_of(band: Band, what: str) -> str:
    return f"{what} of all samples is {band.name}; the band's geometric middle"


def number(choice: Choice) -> float:
    """Give a choice that is a number."""
    assert isinstance(choice.value, int | float)
    return choice.value
