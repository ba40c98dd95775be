"""A network, loss or image step that came as data, in words for who decides about it."""

import math
from collections.abc import Iterator

import torch

from medfl_client.config.rules import rule
from medfl_common.models.graph import graph_of
from medfl_common.models.graphs.facts import GraphFacts, facts_of
from medfl_common.models.graphs.reading import Graph, sides
from medfl_common.plan.graph_files import GraphFile, GraphLoss
from medfl_common.plan.plan import Plan

SAME_AS = 1000  # images whose values a network's weights could hold


def graph_rows(plan: Plan) -> list[list[str]]:
    """List rows of (question, answer) on what a plan brings as data; none: it brings nothing."""
    parts = [[f"{what} that is brought", _part(one)] for what, one in _parts(plan)]
    if plan.model.sha256 is None:
        return parts
    graph = graph_of(plan.model.sha256)
    facts = facts_of(graph)
    came = (
        f"the coordinator's {plan.model.file}, SHA-256 {plan.model.sha256}: a list of "
        f"{facts.operators:,} tensor operators, each on medfl's own list. No code came, and none "
        f"runs. {_written_with(graph)}"
    )
    return [
        ["the network that is brought", came],
        ["its layers", _layers(facts)],
        [
            "what it costs",
            f"{facts.multiply_adds / 1e6:,.0f} million multiplications an image each way, and "
            f"{4 * facts.values / 1e6:,.0f} MB of values an image in a step; of "
            f"{sides(graph.inputs[0])} numbers it makes {sides(graph.output)}",
        ],
        *parts,
    ]


def _parts(plan: Plan) -> Iterator[tuple[str, GraphFile]]:
    loss = plan.training.loss
    if isinstance(loss, GraphLoss):
        yield "the loss", GraphFile(file=loss.graph, sha256=loss.sha256)
    if plan.images.graph is not None:
        yield "the step on images", plan.images.graph


def _part(one: GraphFile) -> str:
    names = [node.op.split(".")[1] for node in graph_of(one.sha256).train.nodes if node.op]
    return (
        f"the coordinator's {one.file}, SHA-256 {one.sha256}: {len(names)} tensor operators "
        f"({', '.join(sorted({*names}))}). It has no weights"
    )


def graph_risks(plan: Plan) -> list[str]:
    """Say in sentences by which layers a brought network could learn images by heart."""
    if plan.model.sha256 is None:
        return []
    graph = graph_of(plan.model.sha256)
    facts = facts_of(graph)
    found = [
        f"the layer {one.name}, near the pixels, sees {one.share:.0%} of an image at once: what it "
        f"learns of few images can be the images themselves; refuse it by not listing it "
        f"{rule('networks')}"
        for one in facts.wide
    ]
    in_images = facts.parameters / math.prod(graph.inputs[0])
    if in_images > SAME_AS:
        found.append(
            f"the network has {facts.parameters:,} weights, as many as {in_images:,.0f} images "
            "have numbers: where a hospital has fewer, it could learn them by heart"
        )
    return found


def _written_with(graph: Graph) -> str:
    """Say with which torch a file was written, and whether this one may round otherwise."""
    own = ".".join(torch.__version__.split(".")[:2])
    other = (
        "" if own == graph.torch else f"; here is {own}, which may round the last digits otherwise"
    )
    return f"It was written with torch {graph.torch}{other}"


def _layers(facts: GraphFacts) -> str:
    named = [f"{n} {word}{'s' * (n != 1)}" for word, n in facts.layers]
    counted = ", ".join(named) or "none of a known kind"
    first = f"; the first convolution sees {sides(facts.first)} pixels" if facts.first else ""
    loose = f"; {facts.loose:,} trained numbers are in no such layer" if facts.loose else ""
    return f"{counted}{first}{loose}"
