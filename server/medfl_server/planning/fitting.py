"""Patch, batch and network of one plan for all: as large as the memory that trains it allows.

As nnU-Net does (Nature Methods 18, 2021): from the median volume downwards until two patches fit;
more than two only where whole volumes fit, and no more than a part of a hospital's data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from medfl_common.errors import ConfigError
from medfl_common.models.dense._resolutions import resolutions
from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import Plan
from medfl_common.wire.cost import PROGRAM_BYTES, training_bytes
from medfl_server.planning.grid import FEWEST_SLICES, ROUND, Grid, number
from medfl_server.planning.proposals import Choice
from medfl_server.study.plan_text import with_settings

Changes = dict[str, Choice]
FEWEST, MOST = 2, 32  # samples in a step
SHARE = 0.05  # of the smallest hospital's voxels that a step sees at the most, as in nnU-Net
WIDTHS = (32, 16, 8)  # nnU-Net's first level has 32
GOOD_SIDE = 64  # pixels of a patch; where it would have fewer, the network is narrower
MOST_PATCH = 512
FEWEST_PIXELS = 16
BOTTOM = 8  # pixels on a side of the coarsest level, 8 to 15
LEVELS = (2, 7)


@dataclass(frozen=True)
class Room:
    """A plan, and the memory that one step of it may take."""

    plan: Plan
    memory_gb: float
    smallest: int  # samples of the smallest hospital

    def needed(self, changes: Changes) -> int:
        """Estimate the bytes of a hospital that trains the changed plan."""
        values: dict[str, Value] = {key: choice.value for key, choice in changes.items()}
        return PROGRAM_BYTES + training_bytes(with_settings(self.plan, values))

    def has_room(self, changes: Changes) -> bool:
        """Say whether a step has room; what cannot be built says why in the end, not here."""
        try:
            return self.needed(changes) <= self.memory_gb * 1e9
        except ConfigError:  # a smaller image would not be built either
            return True


def fit(room: Room, grid: Grid) -> Changes:
    """Propose the images' size, the patch, the batch and the network.

    Raises ConfigError where nothing fits.
    """
    if room.plan.task.has_masks and grid.depth is not None:
        found = _whole(room, grid) or _patches(room, grid)
    else:
        found = _coarser(room, grid)
    if found is None:
        raise ConfigError(
            f"not even a small part of an image fits into {room.memory_gb:g} GB of memory",
            todo="raise --memory-gb, or narrow the network (model.width)",
            data="nothing was written",
        )
    return found


def fit_pictures(room: Room, side: Choice) -> Changes:
    """Propose the size of images that are fitted into it, whatever their spacing."""
    sides = range(int(number(side)), FEWEST_PIXELS - 1, -FEWEST_PIXELS)

    def plan_of(pixels: int, width: int | None) -> Changes:
        why = side.why if pixels == sides[0] else "as large as memory allows; images are shrunk"
        return {"images.size": Choice(pixels, why), **_network(room.plan, pixels, width)}

    found = _largest(room, sides, plan_of)
    if found is None:
        raise ConfigError(
            f"no picture fits into {room.memory_gb:g} GB of memory", todo="raise --memory-gb"
        )
    return _with_more(room, found)


def _whole(room: Room, grid: Grid) -> Changes | None:
    """Take whole volumes, where two have room."""
    pixels = int(number(grid.size))
    if grid.depth is None or pixels > MOST_PATCH:
        return None
    widths = _widths(room.plan)
    for width in widths if pixels <= GOOD_SIDE else widths[:1]:
        changes = {
            **_spacing(grid),
            "images.size": grid.size,
            "images.depth": grid.depth,
            "images.patch": Choice(None, ""),
            **_network(room.plan, pixels, width),
            "training.batch_size": _two(""),
        }
        if room.has_room(changes):
            return _with_more(room, changes)
    return None


def _patches(room: Room, grid: Grid) -> Changes | None:
    """Shrink the median volume evenly until two patches have room."""
    depth, side = grid.usual
    sides = range(min(side, MOST_PATCH) // ROUND * ROUND, FEWEST_PIXELS - 1, -ROUND)

    def plan_of(pixels: int, width: int | None) -> Changes:
        n_slices = min(max(round(depth * pixels / side), FEWEST_SLICES), depth)
        return _with_patch(room.plan, grid, pixels, n_slices, width)

    return _largest(room, sides, plan_of)


def _with_patch(plan: Plan, grid: Grid, pixels: int, n_slices: int, width: int | None) -> Changes:
    """Make both sides of a patch multiples of what the network halves them by."""
    assert grid.depth is not None
    network = _network(plan, pixels, width)
    pixels -= pixels % 2 ** (int(number(network["model.levels"])) - 1) if network else 0
    changes: Changes = {
        **_spacing(grid),
        "images.size": grid.size,
        "images.depth": grid.depth,
        "images.patch.size": Choice(pixels, "the median volume, shrunk evenly until two fit"),
        "images.patch.depth": Choice(n_slices, "in the same proportion"),
        **network,
    }
    if network:
        built = with_settings(plan, {key: choice.value for key, choice in changes.items()})
        halvings = sum(one.stride[0] == 2 for one in resolutions(built.images, built.model))
        n_slices = max(n_slices - n_slices % 2**halvings, FEWEST_SLICES)
        changes["images.patch.depth"] = Choice(n_slices, "in the same proportion")
    if plan.images.patch is None:
        changes["images.patch.foreground"] = Choice(0.33, "nnU-Net's part")
    return changes


def _coarser(room: Room, grid: Grid) -> Changes | None:
    """Keep whole images, and coarsen the spacing until two have room (nnU-Net's low resolution)."""
    most = int(number(grid.size))
    sides = range(most, FEWEST_PIXELS - 1, -ROUND)

    def plan_of(pixels: int, width: int | None) -> Changes:
        times = most / pixels
        changes = {**_spacing(grid, times), "images.size": Choice(pixels, grid.size.why)}
        if grid.depth is not None:
            n_slices = max(round(number(grid.depth) / times), FEWEST_SLICES)
            changes["images.depth"] = Choice(n_slices, grid.depth.why)
        return {**changes, **_network(room.plan, pixels, width)}

    found = _largest(room, sides, plan_of)
    return found and _with_more(room, found)


def _spacing(grid: Grid, times: float = 1.0) -> Changes:
    """Give the spacing, so many times as coarse."""
    own = {"images.spacing_mm": grid.spacing_mm, "images.slice_mm": grid.slice_mm}
    found = {key: choice for key, choice in own.items() if choice is not None}
    if times == 1:
        return found
    return {
        key: Choice(
            float(f"{number(choice) * times:.3g}"),
            f"{number(choice):g} ({choice.why}), made {times:.2f} times as coarse until it fits",
        )
        for key, choice in found.items()
    }


def _largest(
    room: Room, sides: Sequence[int], plan_of: Callable[[int, int | None], Changes]
) -> Changes | None:
    """Find the largest side that has room, by halving; a narrower network where it is small."""
    best: Changes | None = None
    for width in _widths(room.plan):
        low, high = 0, len(sides)
        while low < high:
            at = (low + high) // 2
            changes = {**plan_of(sides[at], width), "training.batch_size": _two("")}
            low, high = (low, at) if room.has_room(changes) else (at + 1, high)
        if low == len(sides):
            continue
        best = {**plan_of(sides[low], width), "training.batch_size": _two("nnU-Net's least")}
        if low == 0 or sides[low] >= GOOD_SIDE:
            return best
    return best


def _with_more(room: Room, changes: Changes) -> Changes:
    """Raise the batch while it has room and stays a small part of the smallest hospital."""
    most = min(max(int(SHARE * room.smallest), FEWEST), MOST)
    why = f"memory allows it; at the most {SHARE:.0%} of the smallest hospital, {FEWEST} to {MOST}"
    batches = ({"training.batch_size": Choice(n, why)} for n in range(FEWEST, most + 1))
    fitting = takewhile(room.has_room, ({**changes, **batch} for batch in batches))
    return [*fitting][-1]


def _network(plan: Plan, pixels: int, width: int | None) -> Changes:
    """Give levels and width, where the plan's network is its own and not of published weights."""
    if not _is_free(plan):
        return {}
    n = min(max((pixels // BOTTOM).bit_length(), LEVELS[0]), LEVELS[1])
    bottom = -(-pixels // 2 ** (n - 1))
    found = {"model.levels": Choice(n, f"the coarsest has {bottom} pixels on a side")}
    if width is not None:
        found["model.width"] = Choice(width, "nnU-Net's is 32; what memory allows")
    return found


def _is_free(plan: Plan) -> bool:
    return plan.task.has_masks and plan.model.encoder is None and plan.model.weights == "none"


def _widths(plan: Plan) -> tuple[int | None, ...]:
    """List the widths to try; a plan that says one keeps it."""
    return (None,) if plan.model.width is not None or not _is_free(plan) else WIDTHS


def _two(why: str) -> Choice:
    return Choice(FEWEST, why)
