"""A network as data beside its eager twin: CPU seconds of a step, and of reading and checking.

    graphs.py [REPEATS]      the rows of benchmarks/graphs.md

Steps of both alternate in one process with one thread; the ratio is the median over pairs.
"""

import statistics
import sys
import time

import torch
import torchvision
from torch import nn

from medfl_common.models.graphs.measure import measure
from medfl_common.models.graphs.network import GraphNetwork
from medfl_common.models.graphs.reading import read_graph
from medfl_common.models.norms import norm_layer, replace_batch_norms
from medfl_sim.graphs.describe import Described, describe

BATCH = 16


def small_cnn() -> nn.Module:
    """Make medfl's small CNN for 28 x 28 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), norm_layer("group", 32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), norm_layer("group", 64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 25, 128), nn.ReLU(), nn.Linear(128, 2),
    )  # fmt: skip


def of_torchvision(name: str, **options: object) -> nn.Module:
    """Make a network of torchvision's with group norms."""
    module: nn.Module = getattr(torchvision.models, name)(num_classes=2, **options)
    replace_batch_norms(module, "group")
    return module


NETWORKS = {
    "small CNN, 28": (small_cnn, 28),
    "ResNet-18, 64": (lambda: of_torchvision("resnet18"), 64),
    "DenseNet-121, 64": (lambda: of_torchvision("densenet121"), 64),
    "ViT-B/16, 64": (lambda: of_torchvision("vit_b_16", image_size=64), 64),
}


def built(made: Described) -> tuple[GraphNetwork, float]:
    """Read, check and build as a hospital does; give the network and the CPU seconds."""
    since = time.process_time()
    graph = read_graph(made.data)
    measure(graph)
    network = GraphNetwork(graph)
    seconds = time.process_time() - since
    weights = {name.removeprefix("backbone."): t for name, t in made.weights.items()}
    network.load_state_dict(weights, strict=False)
    return network, seconds


def step_of(network: nn.Module, images: torch.Tensor) -> float:
    """Make a step; give its CPU seconds."""
    since = time.process_time()
    for parameter in network.parameters():
        parameter.grad = None
    network(images).square().mean().backward()
    return time.process_time() - since


def main(repeats: int) -> None:
    """Print a row for each network."""
    torch.set_num_threads(1)
    print("| network | nodes | reading and checking, s | step, ms | times eager |")
    print("| --- | --- | --- | --- | --- |")
    for name, (make, side) in NETWORKS.items():
        eager = make()
        made = describe(eager, (3, side, side), "logits")
        graph, seconds = built(made)
        last = torch.channels_last
        eager, graph = eager.to(memory_format=last), graph.to(memory_format=last)
        images = torch.randn(BATCH, 3, side, side).to(memory_format=last)
        for one in (eager, graph):
            step_of(one.train(), images)
        pairs = [(step_of(eager, images), step_of(graph, images)) for _ in range(repeats)]
        ratio = statistics.median(b / a for a, b in pairs)
        own = statistics.median(b for _, b in pairs)
        n = len(read_graph(made.data).train.nodes)
        print(f"| {name} | {n:,} | {seconds:.2f} | {own * 1000:.0f} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
