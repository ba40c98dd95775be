"""Local training against a plain PyTorch loop: CPU seconds per epoch and accuracy, interleaved.

    training.py [REPEATS]

The images are those of the simulation jobs: noise, and a faint pattern in half of them. The same
network, initial weights, steps and batch order in every row; one thread.
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from medfl_client.data.dataset import ImageSet, SiteData
from medfl_client.training.evaluate import score
from medfl_client.training.frozen_features import feature_data
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.train import train
from medfl_common.models import build_model
from medfl_common.plan.plan import Plan, plan_from_values
from medfl_common.seeds import torch_generator

JOBS = {  # name: (network, norm, pixels, channels, batch, images, epochs, strength of the pattern)
    "small CNN, 28 px": ("small_cnn", "none", 28, 1, 32, 1600, 3, 0.5),
    "ResNet-18, 224 px": ("resnet18", "batch", 224, 3, 16, 64, 4, 2.0),
}
N_FROZEN = 8  # epochs with a frozen backbone
CPU = torch.device("cpu")


def make_plan(job: str, precision: str) -> Plan:
    """Give the plan of a job."""
    name, norm, size, channels, batch, _, epochs, _ = JOBS[job]
    return plan_from_values({
        "plan": 1, "study": "training", "seed": 0,
        "task": {"type": "binary", "classes": ["without", "with"]},
        "images": {"modality": ["OT"], "size": size, "channels": channels},
        "model": {"name": name, "norm": norm},
        "training": {"lr": 0.01, "batch_size": batch, "epochs": epochs, "precision": precision},
        "federation": {"rounds": 1},
    })  # fmt: skip


def make_images(job: str, seed: int) -> ImageSet:
    """Draw noise with the pattern in half of the images, as float32."""
    _, _, size, channels, _, n, _, strength = JOBS[job]
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    pattern = np.sin(8 * np.pi * x) * np.exp(-((y - 0.5) ** 2 + (x - 0.5) ** 2) / 0.08)
    truth = rng.integers(0, 2, n).astype(np.float32)
    pixels = rng.standard_normal((n, channels, size, size), dtype=np.float32)
    pixels += strength * truth[:, None, None, None] * pattern.astype(np.float32)
    return ImageSet(pixels, np.arange(n), torch.from_numpy(truth)[:, None], channels)


def plain_loop(model: nn.Module, images: ImageSet, plan: Plan) -> None:
    """Train as a tutorial does: no other memory layout, no fused optimiser, float32."""
    model.train()
    pixels, targets = torch.from_numpy(images.pixels), images.targets
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    order = torch_generator(plan.seed, "batch order", 1, "here")
    for _ in range(plan.training.epochs):
        permutation = torch.randperm(len(images), generator=order)
        for chosen in permutation.split(plan.training.batch_size):
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(model(pixels[chosen]), targets[chosen])
            loss.backward()
            optimizer.step()
            loss.item()


def medfl_loop(model: nn.Module, images: ImageSet, plan: Plan) -> None:
    """Train as a hospital does."""
    train(model, images, plan, 1, "here", Plain(), CPU)


def measure(job: str, loop: Callable[..., None], precision: str) -> tuple[float, float, float]:
    """Give CPU seconds and wall seconds per epoch, and the accuracy on other pictures."""
    plan, images = make_plan(job, precision), make_images(job, 1)
    model = build_model(plan)
    if loop is medfl_loop:
        model = model.to(memory_format=torch.channels_last)
    cpu, wall = time.process_time(), time.monotonic()
    loop(model, images, plan)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    logits, targets = score(model, make_images(job, 2), plan, CPU)
    accuracy = ((logits > 0) == (targets > 0.5)).double().mean()
    return cpu / plan.training.epochs, wall / plan.training.epochs, float(accuracy)


def frozen(repeats: int) -> None:
    """Print the cost of epochs of the head alone, with features computed once and without."""
    values = make_plan("ResNet-18, 224 px", "auto").model_dump()
    values["model"] |= {"freeze": "all"}
    values["training"] |= {"epochs": N_FROZEN}
    plan, images = plan_from_values(values), make_images("ResNet-18, 224 px", 1)
    cpus: dict[str, list[float]] = {"every epoch": [], "once": []}
    for _ in range(repeats):
        for way, found in cpus.items():
            model = build_model(plan).to(memory_format=torch.channels_last)
            started = time.process_time()
            if way == "once":
                data = feature_data(model, SiteData(images, images, images), plan, "here", CPU)
                train(model.head, data.train, plan, 1, "here", Plain(), CPU)
            else:
                train(model, images, plan, 1, "here", Plain(), CPU)
            found.append(time.process_time() - started)
    slow, fast = (statistics.median(found) for found in cpus.values())
    print(
        f"frozen ResNet-18, 224 px, {N_FROZEN} epochs | features every epoch {slow:.1f} s | once "
        f"(those to score too) {fast:.1f} s | {fast / slow:.2f}"
    )


def main(repeats: int) -> None:
    """Print a line per job and loop: medians, and the ratio to the plain loop."""
    torch.set_num_threads(1)
    for way, precision in ((plain_loop, "float32"), (medfl_loop, "float32"), (medfl_loop, "auto")):
        measure("small CNN, 28 px", way, precision)  # the first run pays for imports
    ways = {
        "plain": (plain_loop, "float32"),
        "medfl, float32": (medfl_loop, "float32"),
        "medfl, auto": (medfl_loop, "auto"),
    }
    for job in JOBS:
        found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, (loop, precision) in ways.items():
                found[way].append(measure(job, loop, precision))
        floor = statistics.median(cpu for cpu, _, _ in found["plain"])
        for way, runs in found.items():
            cpus = [cpu for cpu, _, _ in runs]
            median, wall = statistics.median(cpus), statistics.median(w for _, w, _ in runs)
            print(
                f"{job} | {way} | {median:.2f} ({min(cpus):.2f} to {max(cpus):.2f}) | {wall:.2f} | "
                f"{median / floor:.2f} | {statistics.median(a for _, _, a in runs):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    frozen(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
