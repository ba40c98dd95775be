"""How another program reads boxes out of a detection network's maps."""

from medfl_common.files import Json
from medfl_common.plan.dense import MOST_PEAKS, SAME_BOX
from medfl_common.plan.plan import Plan


def output_of_boxes(plan: Plan) -> dict[str, Json]:
    """Describe the maps, and the steps from them to boxes."""
    n, d = plan.task.n_outputs, plan.images.dimensions
    axes = ("depth", "height", "width")[-d:]
    around: Json = " x ".join(["3"] * d)
    maps: list[Json] = [*(f"heat {name}" for name in plan.task.classes)]
    maps += [f"log {axis}" for axis in axes]
    steps: list[Json] = [
        "join the windows of a larger image first, as `window` says",
        f"a peak is a place whose heat is no lower than that of its {around} neighbours",
        f"its score is the sigmoid of its heat; keep the {MOST_PEAKS} surest of each class",
        "the box's centre is the middle of the place: its index + 0.5",
        "its sides in pixels are exp of the maps of log sides there; cut it at the image's edges",
        "from the surest on, drop a box that overlaps a kept one of its class with an intersection "
        f"over union above {SAME_BOX}",
    ]
    return {
        "shape": ["batch", n + d, *plan.images.window],
        "maps": maps,
        "activation": f"sigmoid of the first {n}, exp of the others",
        "of": f"each {'pixel' if d == 2 else 'voxel'}",
        "reading": steps,
    }
