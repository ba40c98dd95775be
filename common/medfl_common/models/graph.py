"""The network that a plan brings as data."""

from functools import lru_cache

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import Graph, read_graph, sides
from medfl_common.models.network import Network, PixelHead
from medfl_common.plan.graph_files import content
from medfl_common.plan.halves import own_layers
from medfl_common.plan.plan import Plan

WORDS = {
    "features": "features of an image",
    "maps": "features of each pixel",
    "logits": "logits",
    "loss": "a loss",
    "image": "an image",
}


class NoPixelHead(PixelHead):
    """Stands where the graph gives the logits of each pixel or voxel itself."""

    def __init__(self) -> None:
        super().__init__((), 0, 2)

    def forward(self, maps):  # type: ignore[no-untyped-def]
        """Give what it is given."""
        return maps


@lru_cache(maxsize=8)
def graph_of(sha256: str) -> Graph:
    """Read and check the file with a SHA-256; raises ConfigError where it is not here, or unfit."""
    graph = read_graph(content(sha256))
    measure(graph)
    return graph


def graph_backbone(plan: Plan) -> tuple[GraphNetwork, int, bool]:
    """Build the plan's graph; give it, its features or logits, and whether it needs a head.

    Raises ConfigError where it does not fit the plan's images or task.
    """
    assert plan.model.sha256 is not None  # the plan has checked it
    graph = graph_of(plan.model.sha256)
    if reason := why_unfit_graph(graph, plan):
        raise ConfigError(f"the network {plan.model.file} {reason}")
    return GraphNetwork(graph), graph.output[0], graph.gives != "logits"


def why_unfit_graph(graph: Graph, plan: Plan) -> str:
    """Say why a graph is no network for the plan; empty: it is one."""
    from medfl_common.models import n_maps

    images, choice = plan.images, plan.model
    shape = (images.channels, *images.window)
    if choice.slices is not None:  # it sees one slice at a time
        shape = (shape[0], *shape[-2:])
    if graph.inputs != (shape,):
        seen = " and ".join(sides(one) for one in graph.inputs)
        return f"is for images of {seen}, the plan's are {sides(shape)}"
    is_dense = plan.task.is_dense
    gives = ("maps", "logits") if is_dense else ("features", "logits")
    n_sides = len(shape) if is_dense else 1
    if graph.gives not in gives or len(graph.output) != n_sides:
        return f"gives {WORDS[graph.gives]} ({sides(graph.output)}), which is no {plan.task.type}"
    if is_dense and graph.output[1:] != shape[1:]:
        return f"gives {sides(graph.output[1:])} places for {sides(shape[1:])} of the image"
    if graph.gives == "logits":
        return _why_unfit_logits(graph, plan, n_maps(plan))
    return ""


def _why_unfit_logits(graph: Graph, plan: Plan, n: int) -> str:
    choice = plan.model
    if graph.output[0] != n:
        return f"gives {graph.output[0]} logits, the plan's task has {n}"
    wishes = {
        "model.dropout": choice.dropout > 0,
        "model.freeze": choice.freeze != "none",
        "model.adapters": choice.adapters is not None,
        "model.slices": choice.slices is not None,
        "a head of each site's own": "head" in own_layers(plan),
        "boxes": plan.task.has_boxes,
    }
    unmet = next((words for words, is_wished in wishes.items() if is_wished), "")
    return f"holds its own last layer, and {unmet} needs medfl's" if unmet else ""


def keep_statistics(network: Network) -> None:
    """Let a graph's running statistics stay at their site: they could hold an image's mean."""
    if isinstance(network.backbone, GraphNetwork):
        names = (f"backbone.{name}" for name in network.backbone.statistics)
        network.parts |= dict.fromkeys(names, "local")
