"""The networks that a plan can name, with the bytes of a round of each."""

from medfl_common.errors import ConfigError
from medfl_common.models import DENSE, MODELS
from medfl_common.plan.bounds import Value
from medfl_common.plan.plan import Plan, plan_from_values
from medfl_common.wire.cost import build_empty, sizes

HEADER = ["model", "input", "weights", "MB/round", "head only", "norm layers"]
TITLE = (
    "MB each way for each site: all weights, or with freeze: all (of a segmentation: decoder and "
    "head); for two classes"
)
PICTURES: dict[str, Value] = {"modality": ["OT"], "size": 224}
VOLUMES: dict[str, Value] = {
    "modality": ["OT"],
    "size": 112,
    "depth": 16,
    "dimensions": 3,
    "sample": "series",
}


def catalogue() -> list[list[str]]:
    """List a row for each network: images of 224 pixels, volumes of 16 x 112 x 112, two classes.

    The networks for task.type: segmentation come last.
    """
    return [_row(name) for name in [*MODELS.names(), *DENSE.names()]]


def _row(name: str) -> list[str]:
    images = PICTURES if _fits(_plan(name, PICTURES, "none")) else VOLUMES
    n_weights, whole, _ = sizes(_plan(name, images, "none"))
    _, head, _ = sizes(_plan(name, images, "all"))
    shape = "x".join(str(side) for side in (images.get("depth"), images["size"]) if side)
    return [
        name,
        f"{shape}x{images['size']}",
        f"{n_weights / 1e6:.1f} M",
        f"{whole / 1e6:,.1f}",
        f"{head / 1e6:.3f}",
        _norm(name, images),
    ]


def _norm(name: str, images: dict[str, Value]) -> str:
    """Say which norm layers the plan may choose."""
    return "by plan" if _fits(_plan(name, images, "none", "batch")) else "own"


def _fits(plan: Plan) -> bool:
    """Say whether the network can be built for the plan's images and norm layers."""
    try:
        build_empty(plan)
    except ConfigError:
        return False
    return True


def _plan(name: str, images: dict[str, Value], freeze: str, norm: str = "own") -> Plan:
    values: dict[str, Value] = {
        "plan": 1,
        "study": "catalogue",
        "seed": 0,
        "task": {
            "type": "segmentation" if name in DENSE.names() else "binary",
            "classes": ["no", "yes"],
        },
        "images": images,
        "model": {"name": name, "freeze": freeze, "norm": norm},
        "federation": {"rounds": 1},
    }
    return plan_from_values(values)
