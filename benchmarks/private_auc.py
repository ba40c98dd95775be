"""AUC at epsilon 8, 3, 1 and without noise: PneumoniaMNIST over five hospitals.

    private_auc.py DATA.npz WORK cnn [SEED...]           # the whole small CNN
    private_auc.py FEATURES.npz WORK lite0 [SEED...]     # a head on published_features.py
    private_auc.py DATA.npz WORK resnet18 [SEED...]      # a head on a random frozen ResNet-18
    private_auc.py table WORK

The draws, clipping, noise and accountant are medfl's own; hospitals are averaged with equal
weights in this process, and an image is a patient. A fifth of the images is the test part, the same
for every seed; a tenth is validation, drawn by seed. `clipped` makes the same draws and clips
without noise; `plain` is medfl's training without privacy. RATE is the learning rate of private
steps. Rows go to WORK/auc.jsonl.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from medfl_client.data.dataset import Examples, ImageSet, SiteData
from medfl_client.training.draw_units import Units
from medfl_client.training.evaluate import exact_auc, score
from medfl_client.training.frozen_features import FeatureSet, feature_data
from medfl_client.training.objectives.plain import Plain
from medfl_client.training.private_train import Draws, train_privately
from medfl_client.training.train import train
from medfl_common.models import build_model
from medfl_common.plan.noise_cost import fitting_multiplier
from medfl_common.plan.plan import Plan, plan_from_values
from medfl_common.plan.privacy import Noise
from medfl_common.privacy.random_stream import derived_key

CPU, N_SITES, TEST_SEED = torch.device("cpu"), 5, 2026
EPSILONS = (3.0, 1.0, 8.0)
ROUNDS, STEPS, DRAW, CLIP, DELTA = 10, 6, 256, 1.0, 1e-5
NO_NOISE = 1e-9
PLAIN = {"rounds": 20, "training": {
    "lr": 0.02, "batch_size": 32, "precision": "float32", "schedule": {"kind": "cosine"},
}}  # fmt: skip
Parts = dict[str, np.ndarray]


def split(n: int, seed: int) -> Parts:
    """Draw who is tested, who validates, and who is at which hospital."""
    order = np.random.default_rng(TEST_SEED).permutation(n)
    test, rest = np.split(order, [n // 5])
    rest = np.random.default_rng(seed).permutation(rest)
    validation, trained = np.split(rest, [n // 10])
    hospitals = np.array_split(trained, N_SITES)
    return {"test": test, "validation": validation} | {
        f"hospital-{i}": part for i, part in enumerate(hospitals, 1)
    }


def make_plan(kind: str, seed: int) -> Plan:
    """Give the plan without privacy: network, images, and medfl's usual training."""
    is_cnn = kind != "resnet18"
    return plan_from_values({
        "plan": 1, "study": "auc", "seed": seed,
        "task": {"type": "binary", "classes": ["no", "yes"]},
        "images": {"modality": ["OT"], "size": 28 if is_cnn else 64},
        "model": {"name": "small_cnn", "norm": "group"} if is_cnn else
                 {"name": "resnet18", "norm": "group", "freeze": "all"},
        "training": PLAIN["training"], "federation": {"rounds": PLAIN["rounds"]},
    })  # fmt: skip


def with_noise(plan: Plan, way: float | str, rate: float, n_patients: int) -> Plan:
    """Give the plan with private training; `clipped` has next to no noise, and no epsilon."""
    noise = Noise(
        epsilon=way if isinstance(way, float) else 100, delta=DELTA, clip=CLIP, draw=DRAW,
        steps=STEPS, multiplier=1, least_patients=n_patients,
    )  # fmt: skip
    scale = fitting_multiplier(noise, ROUNDS) if isinstance(way, float) else NO_NOISE
    constant = plan.training.schedule.model_copy(update={"kind": "constant"})
    return plan.model_copy(update={
        "privacy": plan.privacy.model_copy(
            update={"noise": noise.model_copy(update={"multiplier": scale})}
        ),
        "training": plan.training.model_copy(
            update={"lr": rate, "momentum": 0.0, "batch_size": 64, "schedule": constant}
        ),
        "federation": plan.federation.model_copy(update={"rounds": ROUNDS}),
    })  # fmt: skip


def load_all(kind: str, source: Path, plan: Plan) -> Examples:
    """Give every image, or its features, in one set."""
    arrays = np.load(source)
    names = [name.removesuffix("_images") for name in arrays.files if name.endswith("_images")]
    values = np.concatenate([arrays[f"{name}_images"] for name in names])
    targets = torch.from_numpy(
        np.concatenate([arrays[f"{name}_labels"] for name in names]).astype(np.float32)
    )
    if kind == "lite0":
        return FeatureSet(torch.from_numpy(values)[None], targets)
    pixels = torch.from_numpy(values)[:, None].float()
    if plan.images.size != pixels.shape[-1]:
        pixels = nn.functional.interpolate(pixels, size=plan.images.size, mode="bilinear")
    raw = pixels.round().byte().numpy()
    images = ImageSet(raw, np.arange(len(raw)), targets, plan.images.channels)
    if kind == "cnn":
        return images
    model = build_model(plan).to(memory_format=torch.channels_last)
    features = feature_data(model, SiteData(images, images, images), plan, "all", CPU).train
    layer = nn.functional.layer_norm(features.features, features.features.shape[-1:])
    return FeatureSet(layer, targets)


def subset(everything: Examples, part: np.ndarray) -> Examples:
    """Give some of the images."""
    index = torch.from_numpy(part)
    if isinstance(everything, FeatureSet):
        return FeatureSet(everything.features[:, index], everything.targets[index])
    assert isinstance(everything, ImageSet)
    return ImageSet(everything.pixels, part, everything.targets[index], everything.channels)


def units_of(images: Examples) -> Units:
    """Say that each image is a patient."""
    n = len(images)
    return Units(tuple(str(i) for i in range(n)), tuple(np.arange(n)[:, None]), "")


def federate(model: nn.Module, sites: list[Examples], plan: Plan) -> None:
    """Train in rounds: every hospital from the same weights, then their mean."""
    noise, rounds = plan.privacy.noise, plan.federation.rounds
    weights = [p.detach().clone() for p in model.parameters()]
    for round_ in range(1, rounds + 1):
        total = [torch.zeros_like(w) for w in weights]
        for i, images in enumerate(sites):
            load(model, weights)
            if noise is None:
                train(model, images, plan, round_, str(i), Plain(), CPU)
            else:
                draws = Draws(derived_key(bytes(32), plan.seed, round_, i), noise.least_patients)
                units = units_of(images)
                train_privately(model, images, units, plan, round_, Plain(), CPU, draws)
            for mean, p in zip(total, model.parameters(), strict=True):
                mean += p.detach() / len(sites)
        weights = total
    load(model, weights)


@torch.no_grad()
def load(model: nn.Module, weights: list[torch.Tensor]) -> None:
    """Put weights into a model."""
    for p, weight in zip(model.parameters(), weights, strict=True):
        p.copy_(weight)


def new_model(kind: str, everything: Examples, plan: Plan) -> nn.Module:
    """Build the small CNN, or a head of one dense layer."""
    if kind == "cnn":
        return build_model(plan)
    torch.manual_seed(plan.seed)
    assert isinstance(everything, FeatureSet)
    return nn.Sequential(nn.Linear(everything.features.shape[-1], 1))


def main(what: str, source: Path, work: Path, seeds: list[int]) -> None:
    """Run what is not in the file yet."""
    kind, _, rate = what.partition(":")
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    file = work / "auc.jsonl"
    everything = load_all(kind, source, make_plan(kind, 0))
    for seed in seeds:
        plan, parts = make_plan(kind, seed), split(len(everything), seed)
        sites = [subset(everything, parts[f"hospital-{i}"]) for i in range(1, N_SITES + 1)]
        for way in ("plain", "clipped", *EPSILONS):
            if any((r["kind"], r["seed"], r["way"]) == (what, seed, way) for r in rows(file)):
                continue
            n_patients = min(map(len, sites))
            used = plan if way == "plain" else with_noise(plan, way, float(rate), n_patients)
            model, started = new_model(kind, everything, plan), time.process_time()
            federate(model, sites, used)
            noise = used.privacy.noise
            found = {"kind": what, "seed": seed, "way": way,
                     "multiplier": noise.multiplier if noise else 0,
                     "cpu_s": time.process_time() - started}  # fmt: skip
            for name in ("validation", "test"):
                logits, targets = score(model, subset(everything, parts[name]), plan, CPU)
                found[name] = exact_auc(logits, targets, plan)
            with file.open("a") as lines:
                lines.write(json.dumps(found) + "\n")
            print(json.dumps(found), flush=True)


def rows(file: Path) -> list[dict[str, object]]:
    """Read what was run."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def table(work: Path) -> None:
    """Print means over the seeds, lowest and highest, by network and way."""
    found: dict[tuple[str, object], list[dict[str, float]]] = {}
    for row in rows(work / "auc.jsonl"):
        found.setdefault((str(row["kind"]), row["way"]), []).append(row)  # type: ignore[arg-type]
    for (kind, way), runs in found.items():
        cells = []
        for part in ("validation", "test"):
            values = [run[part] for run in runs]
            cells.append(f"{statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})")
        cpu = statistics.median(run["cpu_s"] for run in runs)
        scale = runs[0]["multiplier"]
        print(f"| {kind} | {way} | {scale:.2f} | {len(runs)} | {' | '.join(cells)} | {cpu:.0f} |")


if __name__ == "__main__":
    if sys.argv[1] == "table":
        table(Path(sys.argv[2]))
    else:
        main(
            sys.argv[3],
            Path(sys.argv[1]),
            Path(sys.argv[2]),
            [*map(int, sys.argv[4:])] or [0, 1, 2],
        )
