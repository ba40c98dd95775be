"""A step with noise against a plain one, Opacus and torch.func: CPU milliseconds, side by side.

    private_step.py [REPEATS] [WORD]       # every job (with WORD in its name) and way in turn
    private_step.py one JOB WAY            # one process: a line of JSON

Same network (GroupNorm), start and images in every row, one thread, a process for each measurement.
The rows of other tools have torch's own layers, channels first, float32. Opacus is no dependency
of medfl: where this Python lacks it, its rows are left out, and the script says so.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from medfl_common.models import build_model
from medfl_common.plan.plan import Plan, plan_from_values

JOBS = {  # name: (network, pixels, channels, images in a step, steps measured, images at a time)
    "small CNN, 28 px, batch 64": ("small_cnn", 28, 1, 64, 30, 64),
    "ResNet-18, 64 px, batch 16": ("resnet18", 64, 3, 16, 4, 4),
}
CLIP, MULTIPLIER, RATE = 1.0, 1.0, 0.05
AT_ONCE = 4  # private steps of a question
Step = Callable[[], object]


def make_plan(job: str, precision: str = "float32") -> Plan:
    """Give the plan of a job."""
    name, size, channels, batch, *_ = JOBS[job]
    return plan_from_values({
        "plan": 1, "study": "step", "seed": 0,
        "task": {"type": "binary", "classes": ["without", "with"]},
        "images": {"modality": ["OT"], "size": size, "channels": channels},
        "model": {"name": name, "norm": "group"},
        "training": {"lr": RATE, "batch_size": batch, "precision": precision},
        "federation": {"rounds": 1},
        "evaluation": {"keep": "last"},
        "privacy": {"noise": {
            "epsilon": 100, "delta": 1e-5, "draw": batch, "steps": AT_ONCE, "clip": CLIP,
            "multiplier": MULTIPLIER, "least_patients": batch,
        }},
    })  # fmt: skip


def make_batch(job: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw images (B, C, S, S) and targets (B, 1)."""
    _, size, channels, batch, *_ = JOBS[job]
    torch.manual_seed(0)
    return torch.randn(batch, channels, size, size), torch.randint(0, 2, (batch, 1)).float()


def plain_network(job: str) -> nn.Module:
    """Build the job's network with torch's own layers, and nothing that works in place."""
    from torchvision.models.resnet import BasicBlock

    def forward(self: BasicBlock, given: torch.Tensor) -> torch.Tensor:
        found = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(given)))))
        kept = given if self.downsample is None else self.downsample(given)
        return self.relu(found + kept)

    BasicBlock.forward = forward
    model = build_model(make_plan(job))
    for module in model.modules():
        if isinstance(module, nn.GroupNorm):
            module.__class__ = nn.GroupNorm
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return model.train()


def plain(job: str) -> Step:
    """Train without noise as a tutorial does."""
    model, (pixels, targets) = plain_network(job), make_batch(job)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(model(pixels), targets).backward()
        optimizer.step()

    return step


def medfl_plain(job: str, precision: str) -> Step:
    """Train without noise as a hospital does."""
    from medfl_client.training.losses import training_loss
    from medfl_client.training.objectives.plain import Plain
    from medfl_client.training.step import Stepper, make_optimizer, product_type

    plan, (pixels, targets) = make_plan(job, precision), make_batch(job)
    model = build_model(plan).to(memory_format=torch.channels_last).train()
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    cpu = torch.device("cpu")
    stepper = Stepper(
        model, make_optimizer(model, plan.training, RATE), training_loss(plan, targets), Plain(),
        None, product_type(plan.training, cpu), cpu,
    )  # fmt: skip
    return lambda: stepper.step(pixels, targets)


def medfl_private(job: str) -> Step:
    """Train with noise as a hospital does, AT_ONCE steps a call, everybody drawn."""
    from medfl_client.data.dataset import ImageSet
    from medfl_client.training.draw_units import Units
    from medfl_client.training.objectives.plain import Plain
    from medfl_client.training.private_train import Draws, train_privately

    plan, (pixels, targets) = make_plan(job), make_batch(job)
    model, n = build_model(plan).to(memory_format=torch.channels_last), len(pixels)
    images = ImageSet(pixels.numpy(), np.arange(n), targets, pixels.shape[1])
    units = Units(tuple(map(str, range(n))), tuple(np.arange(n)[:, None]), "")
    draws, cpu = Draws(bytes(32), n), torch.device("cpu")
    return lambda: train_privately(model, images, units, plan, 1, Plain(), cpu, draws)


def clipping_alone(job: str) -> Step:
    """Add up the patients' clipped gradients, and no more."""
    from medfl_client.training.clipping import PatientClipping
    from medfl_client.training.losses import each_image_loss

    plan, (pixels, targets) = make_plan(job), make_batch(job)
    model = build_model(plan).to(memory_format=torch.channels_last)
    clipping, ones = PatientClipping(model, CLIP, job), [1] * len(pixels)

    def step() -> None:
        with clipping:
            clipping.add(pixels, targets, ones, each_image_loss(plan))

    return step


def opacus(job: str, mode: str) -> Step:
    """Train by Opacus; its noise comes from torch's generator, of 32 bits of seed on a CPU."""
    from opacus import PrivacyEngine
    from torch.utils.data import DataLoader, TensorDataset

    model, (pixels, targets) = plain_network(job), make_batch(job)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    loss_of: Any = nn.BCEWithLogitsLoss()
    made = PrivacyEngine().make_private(
        module=model, optimizer=optimizer,
        data_loader=DataLoader(TensorDataset(pixels, targets), batch_size=len(pixels)),
        noise_multiplier=MULTIPLIER, max_grad_norm=CLIP, poisson_sampling=False,
        grad_sample_mode=mode, **({"criterion": loss_of} if mode == "ghost" else {}),
    )  # fmt: skip
    model, optimizer = made[0], made[1]
    loss_of = made[2] if mode == "ghost" else loss_of

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model(pixels), targets).backward()
        optimizer.step()

    return step


def functional(job: str) -> Step:
    """Train by gradients of single images from torch.func, some images at a time."""
    from torch.func import functional_call, grad, vmap

    model, (pixels, targets) = plain_network(job), make_batch(job)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)

    def loss(values: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        logits = functional_call(model, values, (x[None],))
        return binary_cross_entropy_with_logits(logits, y[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))

    def step() -> None:
        total = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        n = JOBS[job][-1]
        for x, y in zip(pixels.split(n), targets.split(n), strict=True):
            found = gradients(weights, x, y)
            norms = sum(g.flatten(1).square().sum(1) for g in found.values()).sqrt()
            factors = (CLIP / (norms + 1e-6)).clamp(max=1)
            for name, gradient in found.items():
                total[name] += torch.tensordot(factors, gradient, 1)
        for name, weight in model.named_parameters():
            noise = torch.randn_like(weight) * MULTIPLIER * CLIP
            weight.grad = (total[name] + noise) / len(pixels)
        optimizer.step()

    return step


WAYS: dict[str, Callable[[str], Step]] = {
    "plain": plain,
    "medfl without noise, float32": lambda job: medfl_plain(job, "float32"),
    "medfl without noise, auto": lambda job: medfl_plain(job, "auto"),
    "medfl with noise": medfl_private,
    "medfl, clipping alone": clipping_alone,
    "Opacus, ghost": lambda job: opacus(job, "ghost"),
    "Opacus, hooks": lambda job: opacus(job, "hooks"),
    "torch.func": functional,
}


def one(job: str, way: str) -> None:
    """Print the median CPU seconds of a step, and the process's peak memory."""
    torch.set_num_threads(1)
    step, found = WAYS[way](job), []
    n = AT_ONCE if way == "medfl with noise" else 1
    for _ in range(2):
        step()  # the first ones choose kernels and make the optimiser's state
    for _ in range(JOBS[job][4]):
        started = time.process_time()
        step()
        found.append((time.process_time() - started) / n)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"cpu_s": statistics.median(found), "mb": peak / 1000}))


def main(repeats: int, word: str) -> None:
    """Print a row per job and way: medians, lowest and highest."""
    ways = [way for way in WAYS if find_spec("opacus") or not way.startswith("Opacus")]
    if len(ways) < len(WAYS):
        print("this Python has no Opacus: its rows are left out", flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    for job in (name for name in JOBS if word in name):
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, runs in found.items():
                command = [sys.executable, __file__, "one", job, way]
                told = subprocess.run(command, capture_output=True, check=True, env=environment)
                runs.append(json.loads(told.stdout))
                print(job, way, runs[-1], file=sys.stderr, flush=True)
        floor = statistics.median(run["cpu_s"] for run in found["plain"])
        for way, runs in found.items():
            times = [1000 * run["cpu_s"] for run in runs]
            ratios = statistics.median(times) / 1000 / floor
            print(
                f"| {job} | {way} | {statistics.median(times):.1f} ({min(times):.1f} to "
                f"{max(times):.1f}) | {ratios:.2f} | {max(run['mb'] for run in runs):.0f} |",
                flush=True,
            )
        print(f"load at the end: {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3])
    else:
        given = dict(enumerate(sys.argv))
        main(int(given.get(1, 5)), given.get(2, ""))
