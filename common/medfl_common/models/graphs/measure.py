"""What a graph needs, known before a number is computed: runs on tensors without memory."""

import math
import threading
from dataclasses import dataclass
from functools import lru_cache

import torch

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import Graph, refused, sides
from medfl_common.models.graphs.rules import check_rules

MOST_ELEMENTS = 2**30  # of all values that the operators give for one image; 4 GB in float32
MOST_PARTS = 100_000  # that a listing cuts tensors into
LARGEST_BATCH = 4096  # that a plan may name
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Needs:
    """What a graph gives and takes for one image.

    elements: Of the values that its operators give in training, all of which a step keeps.
    shapes: By node of the training listing, of one image.
    """

    elements: int
    shapes: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=16)
def measure(graph: Graph) -> Needs:
    """Run a graph's listings on meta tensors, for few and for many images.

    Raises ConfigError where it does not run, gives another shape than it says, or takes too much.
    """
    check_rules(graph)
    with _ONE_AT_A_TIME, torch.device("meta"), torch.no_grad():
        network = GraphNetwork(graph)
        needs = [
            _run(graph, network, is_training, n)
            for is_training in (True, False)
            for n in (2, 3, LARGEST_BATCH)
        ]
    return needs[0]


def measure_for(graph: Graph, is_training: bool, n: int) -> None:
    """Do the same in a mode for another number of images: sizes may depend on it in any way."""
    with _ONE_AT_A_TIME, torch.device("meta"), torch.no_grad():
        _run(graph, GraphNetwork(graph), is_training, n)


def _run(graph: Graph, network: GraphNetwork, is_training: bool, n: int) -> Needs:
    network.train(is_training)
    mode, at = ("train" if is_training else "eval"), -1
    elements, parts, shapes = 0, 0, list[tuple[int, ...]]()

    def watch(node: int, value: object) -> None:
        nonlocal elements, parts, at
        at = node
        if isinstance(value, list | tuple):
            parts += len(value)
            elements += sum(one.numel() for one in value if isinstance(one, torch.Tensor))
        if isinstance(value, torch.Tensor):
            elements += value.numel()
            shapes.append(tuple(value.shape))
        if parts > MOST_PARTS:
            raise refused(
                "the graph", f"{mode}, node {node}", f"makes more than {MOST_PARTS} parts"
            )
        if elements > MOST_ELEMENTS * n:
            raise refused(
                "the graph", f"{mode}, node {node}",
                f"takes the values of one image beyond {MOST_ELEMENTS:,}",
            )  # fmt: skip

    images = [torch.empty(n, *shape) for shape in graph.inputs]
    try:
        given = network.watched(images, watch)
    except ConfigError:
        raise
    except Exception:  # whatever an operator says of arguments that do not fit
        raise refused("the graph", f"{mode}, after node {at}", "does not run") from None
    wanted = (n, *graph.output)
    is_mean = graph.gives == "loss" and given.dim() == 0
    if (tuple(given.shape) != wanted and not is_mean) or given.dtype != torch.float32:
        raise refused(
            "the graph", mode,
            f"gives {sides(given.shape)} for {n} images, and says {sides(wanted)}",
        )  # fmt: skip
    return Needs(math.ceil(elements / n), tuple(shapes))
