"""A loss or an image step that a plan brings as data."""

from medfl_common.errors import ConfigError
from medfl_common.models.graph import WORDS, graph_of
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import Graph, sides
from medfl_common.plan.graph_files import GraphLoss
from medfl_common.plan.plan import Plan

Shapes = tuple[tuple[int, ...], ...]


def loss_of(plan: Plan) -> GraphNetwork:
    """Build the plan's loss: logits and targets, both float32, to one number or one an image.

    Targets are (B, K), NaN where a finding is unknown; of a segmentation (B, [D,] H, W) classes.
    Raises ConfigError where the plan's file is none for its task.
    """
    loss = plan.training.loss
    assert isinstance(loss, GraphLoss)
    n, window = plan.task.n_outputs, plan.images.window
    shapes: Shapes = ((n, *window), window) if plan.task.is_dense else ((n,), (n,))
    return _built(loss.graph, loss.sha256, "loss", shapes, ())


def step_of(plan: Plan) -> GraphNetwork | None:
    """Build the plan's image step: what a network would see to what it sees; None: there is none.

    (B, C, [D,] S, S) float32 in units of the network's input, before and after. Raises ConfigError
    where the plan's file is none for its images.
    """
    step = plan.images.graph
    if step is None:
        return None
    shape = (plan.images.channels, *plan.images.window)
    return _built(step.file, step.sha256, "image", (shape,), shape)


def check_brought(plan: Plan) -> None:
    """Raise ConfigError where the plan's loss as data does not fit the plan."""
    if isinstance(plan.training.loss, GraphLoss):
        loss_of(plan)


def _built(
    name: str, sha256: str, gives: str, inputs: Shapes, output: tuple[int, ...]
) -> GraphNetwork:
    graph = graph_of(sha256)
    if reason := _why_unfit(graph, gives, inputs, output):
        raise ConfigError(f"{name} {reason}", todo="make it for this plan with medfl-sim graph")
    return GraphNetwork(graph)


def _why_unfit(graph: Graph, gives: str, inputs: Shapes, output: tuple[int, ...]) -> str:
    if graph.gives != gives:
        return f"gives {WORDS[graph.gives]}, and the plan names it where {WORDS[gives]} belongs"
    if graph.inputs != inputs:
        seen, wanted = (" and ".join(map(sides, of)) for of in (graph.inputs, inputs))
        return f"takes {seen} of an image, the plan's are {wanted}"
    if graph.output != output:
        return f"gives {sides(graph.output)} for an image, not {sides(output)}"
    if any(one.kind != "constant" for one in graph.tensors.values()):
        return "has weights of its own, which only a network may have"
    return ""
