"""What a graph must not do: name another operator, write into what is not its own.

Weights and statistics leave the hospital or outlive the batch, so no operator writes into them but
a batch norm into its own two statistics, which stay at the site.
"""

import math

from medfl_common.models.graphs.arguments import Ref, refs_in
from medfl_common.models.graphs.operators import (
    KEYWORDS,
    PICK,
    Operator,
    operators,
    settings_of,
)
from medfl_common.models.graphs.reading import Graph, Listing, Node, refused
from medfl_common.plan.bounds import shorten
from medfl_common.visible import visible

BATCH_NORM, INSTANCE_NORM = "aten.batch_norm.default", "aten.instance_norm.default"
MEAN, VARIANCE, TRAINING, MOMENTUM = 3, 4, 5, 6  # arguments of both
UNMADE = "writes in place into what no node has made"


def check_rules(graph: Graph, source: str = "the graph") -> None:
    """Raise ConfigError where a node does what it must not, naming the node."""
    for mode, listing in (("train", graph.train), ("eval", graph.eval)):
        seen: dict[str, int] = {}
        owners = _owners(listing)
        for i, node in enumerate(listing.nodes):
            if node.op and (fault := _fault(graph, listing, node, owners, mode == "train")):
                raise refused(source, f"{mode}, node {i}", fault)
            for name in _statistics(graph, listing, node):
                if name in seen:
                    raise refused(
                        source, f"{mode}, node {i}", f"uses {name}, as node {seen[name]} does"
                    )
                seen[name] = i
        made = listing.nodes[listing.output]
        if made.tensor or (made.op and operators()[made.op].is_whole and made.op != PICK):
            raise refused(source, mode, "gives a weight or a number that no image went into")


def _fault(graph: Graph, listing: Listing, node: Node, owners: list[str], is_training: bool) -> str:
    """Say what is wrong with a node; empty: nothing."""
    op = operators().get(node.op)
    if op is None:
        return f"has the operator {visible(shorten(node.op))[:60]}, which is not on the list"
    if unknown := sorted({key for key, _ in node.kw} - KEYWORDS):
        return f"has the unknown keyword {visible(unknown[0])[:60]}"
    if not op.is_whole and (fault := _fault_of_settings(node)):
        return fault
    if op.writes:
        first = node.args[0] if node.args else None
        if fault := owners[first] if isinstance(first, Ref) else UNMADE:
            return fault
    if node.op == BATCH_NORM:
        return _fault_of_batch_norm(graph, listing, node, is_training)
    if node.op == INSTANCE_NORM and any(one is not None for one in node.args[MEAN : VARIANCE + 1]):
        return "is an instance norm with running statistics"
    names = {t for one in _tensors(listing, node) if (t := graph.tensors[one]).kind == "statistic"}
    return f"uses the statistic {min(t.name for t in names)}, and is no batch norm" if names else ""


def _fault_of_settings(node: Node) -> str:
    needed = settings_of(node.op)
    given: tuple[tuple[str | int, object], ...] = (*enumerate(node.args), *node.kw)
    for place, value in given:
        kind = needed.get(place)
        if kind is not None and value is not None and not isinstance(value, kind):
            return f"has {visible(shorten(repr(value)))[:60]} as a type or format, which is none"
    return ""


def _owners(listing: Listing) -> list[str]:
    """Say of each node why nothing may write into what it gives; empty: this run has made it."""
    found: list[str] = []
    for node in listing.nodes:
        op: Operator | None = operators().get(node.op)
        if node.tensor:
            found.append(f"writes into {visible(node.tensor)}")
        elif node.input >= 0:
            found.append("writes into the image")
        elif op is None or (op.is_whole and node.op != PICK):
            found.append("writes into what is no tensor")
        else:
            first = node.args[0] if node.args else None
            of_first = found[first] if isinstance(first, Ref) else UNMADE
            found.append("" if op.is_fresh and not op.writes else of_first)
    return found


def _fault_of_batch_norm(graph: Graph, listing: Listing, node: Node, is_training: bool) -> str:
    if len(node.args) < 8:
        return "is a batch norm with too few arguments"
    if node.args[MEAN] is None and node.args[VARIANCE] is None:
        return ""
    given = [_tensor_of(listing, node.args[k]) for k in (MEAN, VARIANCE)]
    if not all(name and graph.tensors[name].kind == "statistic" for name in given):
        return "is a batch norm whose running statistics are none"
    if given[0] == given[1]:
        return "is a batch norm with one statistic for both"
    momentum = node.args[MOMENTUM]
    if type(momentum) is not float or not 0 < momentum < 1 or not math.isfinite(momentum):
        return f"is a batch norm with the momentum {momentum}, not between 0 and 1"
    learns = node.args[TRAINING]
    if not isinstance(learns, bool) or (learns and not is_training):
        return "is a batch norm that changes its statistics outside training"
    others = (*node.args[:MEAN], *node.args[VARIANCE + 1 :], *(one for _, one in node.kw))
    names = {_tensor_of(listing, one) for one in others}
    if any(name and graph.tensors[name].kind == "statistic" for name in names):
        return "uses a statistic as a weight"
    return ""


def _statistics(graph: Graph, listing: Listing, node: Node) -> list[str]:
    names = _tensors(listing, node) if node.op == BATCH_NORM else []
    return [name for name in names if graph.tensors[name].kind == "statistic"]


def _tensors(listing: Listing, node: Node) -> list[str]:
    refs = refs_in((node.args, tuple(one for _, one in node.kw)))
    return [name for ref in refs if (name := listing.nodes[ref].tensor)]


def _tensor_of(listing: Listing, argument: object) -> str:
    return listing.nodes[argument].tensor if isinstance(argument, Ref) else ""
