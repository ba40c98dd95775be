"""Mutated graph files are refused in words, or run within bounds; nothing else happens."""

import copy
import json
import random
import resource
import time
from typing import Any

import pytest
import torch
from tests.unit.common.graphs.small_graphs import GatedAttention, Residual, UNet, whole

from medfl_common.errors import ConfigError
from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.operators import operators
from medfl_common.models.graphs.reading import read_graph

ODD: list[Any] = [
    None, True, -1, 0, 1, 2, 3, 7, 2**31, 2**62, -(2**31), 1e-30, 1e30, 0.5, "", "none", "__init__",
    [], [0], [-1, 2**20], {}, {"node": 0}, {"node": 3}, {"node": 10**6}, {"dtype": "float32"},
    {"dtype": "int64"}, {"format": "channels_last"}, {"number": "inf"}, {"input": 0},
    {"op": "aten.add_.Tensor", "args": [{"node": 0}, 1]},
]  # fmt: skip
MOST_SECONDS, MOST_GB = 10.0, 1.0


def originals() -> list[bytes]:
    made = [(GatedAttention(), (1, 16, 16)), (UNet(2), (1, 8, 8)), (Residual(), (1, 8, 8))]
    return [whole(network, *shape).data for network, shape in made]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change a byte, or one to three places of the JSON."""
    if chance.random() < 0.15:
        at = chance.randrange(len(data))
        return data[:at] + bytes([chance.randrange(256)]) + data[at + chance.randrange(3) :]
    graph = json.loads(data)
    change = _nudge if chance.random() < 0.6 else _change
    for _ in range(chance.randint(1, 3)):
        change(graph, chance)
    return json.dumps(graph).encode()


def _nudge(graph: Any, chance: random.Random) -> None:
    """Change an operator or an argument to one of its kind, which may well run."""
    nodes = graph[chance.choice(["train", "eval"])]["nodes"]
    at = chance.randrange(len(nodes))
    node = nodes[at]
    if not node.get("args"):
        return
    k = chance.randrange(len(node["args"]) + 1)
    if k == len(node["args"]):
        node["op"] = chance.choice([*operators()])
    elif isinstance(node["args"][k], dict):
        node["args"][k] = {"node": chance.randrange(at)}
    elif isinstance(node["args"][k], bool):
        node["args"][k] = not node["args"][k]
    elif isinstance(node["args"][k], int | float):
        node["args"][k] += chance.choice([-1, 1, 2])
    elif isinstance(node["args"][k], list) and node["args"][k]:
        node["args"][k] = [chance.choice([0, 1, 2, 3, -1]) for _ in node["args"][k]]


def _change(graph: Any, chance: random.Random) -> None:
    at = graph
    for _ in range(12):
        if not isinstance(at, dict | list) or not at:
            return
        key = chance.choice([*at]) if isinstance(at, dict) else chance.randrange(len(at))
        is_deep = isinstance(at[key], dict | list) and at[key] and chance.random() < 0.85
        if not is_deep:
            break
        at = at[key]
    act = chance.randrange(4)
    if act == 0 and key == "op":
        at[key] = chance.choice([*operators()])
    elif act == 1:
        del at[key]
    elif act == 2 and isinstance(at, list):
        at.insert(key, copy.deepcopy(at[chance.randrange(len(at))]))
    else:
        at[key] = copy.deepcopy(chance.choice(ODD))


def tried(data: bytes) -> str:
    """Do what a hospital would: read, measure, and make a step; say how it ended."""
    try:
        graph = read_graph(data)
        measure(graph)
        network = GraphNetwork(graph).train()
    except ConfigError:
        return "refused"
    images = torch.randn(2, *graph.inputs[0])
    kept = images.clone()
    weights = {n: t.clone() for n, t in network.state_dict().items()}
    try:
        given = network(images)
        if given.requires_grad:
            given.sum().backward()
    except (RuntimeError, IndexError):
        return "failed"  # numbers that no shape tells of, such as an index
    assert torch.equal(images, kept), "a graph wrote into the image"
    now = network.state_dict()
    for name, before in weights.items():
        if name not in network.statistics and not name.endswith("num_batches_tracked"):
            assert torch.equal(now[name], before), f"a graph wrote into {name}"
    return "ran"


@pytest.mark.parametrize(
    "n", [300, pytest.param(10_000, marks=pytest.mark.slow)], ids=["some", "ten thousand"]
)
def test_no_mutated_file_escapes(n: int) -> None:
    chance, files = random.Random(23), originals()
    ends = {"refused": 0, "failed": 0, "ran": 0}
    slowest, before = 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(n):
        data = chance.choice(files)
        since = time.process_time()
        ends[tried(mutated(data, chance))] += 1
        slowest = max(slowest, time.process_time() - since)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20  # from KiB

    assert ends["refused"] > n / 4, ends
    assert ends["ran"] > n / 20, ends
    assert slowest < MOST_SECONDS
    assert grown < MOST_GB
