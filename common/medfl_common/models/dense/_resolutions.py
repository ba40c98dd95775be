"""Which axes of an image each level of a segmentation network halves."""

from dataclasses import dataclass

from medfl_common.errors import ConfigError
from medfl_common.plan.images import Images
from medfl_common.plan.model_choice import ModelChoice

FEWEST_SLICES = 4  # a level with fewer is not made
ANISOTROPIC = 2  # slices so many times as far apart as pixels: no convolution joins them
USUAL_BOTTOM = 8  # pixels on a side of the coarsest level where the plan names no levels
MOST_USUAL = 6  # levels where the plan names none


@dataclass(frozen=True)
class Resolution:
    """One level: how it comes from the finer one, and the size of its convolutions, by axis."""

    stride: tuple[int, ...]
    kernel: tuple[int, ...]


def resolutions(images: Images, choice: ModelChoice) -> list[Resolution]:
    """List the levels from fine to coarse; the first has the image's own size.

    Pixels are halved each time; slices only while there are enough, and while they are less than
    twice as far apart as the pixels, as in Isensee et al.: nnU-Net. Nature Methods 18, 2021.
    Raises ConfigError where the image is too small for the plan's levels, or has too few.
    """
    *slices, _, side = images.window
    n_levels = choice.levels or _usual_levels(side)
    smallest = 2**n_levels
    if side < smallest:
        where = "images.size" if images.patch is None else "images.patch.size"
        raise ConfigError(
            f"{choice.name} with {n_levels} levels needs {smallest} pixels on a side, {where} "
            f"is {side}",
            todo="lower model.levels",
        )
    if choice.deep_supervision and n_levels == 2:
        raise ConfigError(
            f"{choice.name} with 2 levels has no coarser level to train",
            todo="raise model.levels, or leave model.deep_supervision out",
        )
    if not slices:
        first = Resolution((1, 1), (3, 3))
        return [first, *[Resolution((2, 2), (3, 3))] * (n_levels - 1)]
    return _of_volumes(slices[0], _apart(images), n_levels)


def _of_volumes(depth: int, apart: float, n_levels: int) -> list[Resolution]:
    found = [Resolution((1, 1, 1), (_kernel(apart), 3, 3))]
    while len(found) < n_levels:
        is_halved = apart < ANISOTROPIC and -(-depth // 2) >= FEWEST_SLICES
        depth, apart = (-(-depth // 2), apart) if is_halved else (depth, apart / 2)
        found.append(Resolution((2 if is_halved else 1, 2, 2), (_kernel(apart), 3, 3)))
    return found


def _kernel(apart: float) -> int:
    return 1 if apart >= ANISOTROPIC else 3


def _apart(images: Images) -> float:
    """Say how many times as far apart slices are as pixels; 1 where the plan does not say."""
    if images.spacing_mm is None or images.slice_mm is None:
        return 1.0
    return images.slice_mm / images.spacing_mm


def _usual_levels(size: int) -> int:
    return min(max((size // USUAL_BOTTOM).bit_length(), 2), MOST_USUAL)
