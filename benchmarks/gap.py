"""What closes the gap between federated and pooled training over like hospitals.

    gap.py screen DATA WORK SET [WAY|SEED...]     seeds 100, 101; scored on validation images
    gap.py confirm DATA WORK SET [WAY|SEED...]    seeds 0 to 4; scored on the test part, once
    gap.py again DATA WORK SET [WAY|SEED...]      seeds 5 to 9; confirm, with another test part
    gap.py table WORK                             the rows of benchmarks/gap.md

DATA as for four_columns.py; SET: a key of SETS; WAY: a key of WAYS, default all. One part of the
patients is the test part, the same for every seed of a stage. `screen` never touches it: it draws
validation images from the rest, for each seed anew. `confirm` trains on all of the rest. One line
of JSON per model goes to WORK/STAGE-SET.jsonl; rows that are there are not made again.
"""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
import yaml
from four_columns import NIH, SMALL, STUDIES, Job, find_folder, hold_out, partition
from four_columns import make_plan as first_plan

from medfl_client.config.site_file import Policy, SiteFile
from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.site_data import site_data
from medfl_client.task.site import Site
from medfl_client.training.evaluate import exact_auc, score
from medfl_client.training.losses import task_loss
from medfl_common.models import build_model
from medfl_common.models.weights import Weights, load_shared
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.run.checkpoint import kept_rounds, load_kept
from medfl_server.study.run_directory import create_study
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import run_study

CPU = torch.device("cpu")
SPLIT_SEEDS = {"screen": 2026, "confirm": 2026, "again": 2027}  # draw the test part
SEEDS = {"screen": [100, 101], "confirm": [0, 1, 2, 3, 4], "again": [5, 6, 7, 8, 9]}
N_SITES = 5
AVERAGED = (5, 10)  # how many of the last rounds' models are averaged
XRAY = Job(
    "pictures", "cxr_nih", NIH, SMALL, 20,
    {"augmentation": {"rotation_deg": 5, "shift": 0.05, "zoom": 0.05}},
    {"modality": ["OT"], "size": 32}, 0.25,
)  # fmt: skip
SETS = {
    "pneumonia": replace(STUDIES["pneumonia-cnn"], rounds=8, validation=0.6),
    "breast": replace(STUDIES["breast-cnn"], validation=0.25),
    "nih": XRAY,
}
Way = dict[str, Any]  # changes of the plan, by section and key; `pooled`: all images at one site
MOMENTUM = {"strategy": "fedavgm", "options": {"server_momentum": 0.9}}
WAYS: dict[str, Way] = {
    "pooled": {"pooled": True},
    "pooled, 2 epochs": {"pooled": True, "training.epochs": 2},
    "pooled, a fifth of the steps": {"pooled": True, "training.batch_size": 160},
    "federated": {},
    "batch 6": {"training.batch_size": 6},
    "lr x 5": {"training.lr": 0.1},
    "server momentum 0.9": {"federation": MOMENTUM},
    "server momentum 0.9, batch 24": {"federation": MOMENTUM, "training.batch_size": 24},
    "FedAdam": {"federation": {"strategy": "fedadam"}},
    "5 epochs, a fifth of the rounds": {"training.epochs": 5, "rounds x": 0.2},
    "2 epochs": {"training.epochs": 2},
    "2 epochs, server momentum 0.9": {"training.epochs": 2, "federation": MOMENTUM},
    "5 epochs": {"training.epochs": 5},
    "rounds x 2": {"rounds x": 2},
    "rounds x 5": {"rounds x": 5},
    "warm-up": {"training.schedule": {"kind": "cosine", "warmup_rounds": 4}},
    "constant rate": {"training.schedule": {"kind": "constant"}},
}


def make_plan(job: Job, way: Way, work: Path, study: str, seed: int) -> Plan:
    """Write and read the plan of one way and seed; every round's model is kept."""
    path = first_plan(job, work, study, seed)
    values = yaml.safe_load(path.read_text())
    for key, value in way.items():
        section, _, name = key.partition(".")
        if name:
            values[section][name] = value
        elif section == "federation":
            values[section] |= value
    values["federation"]["rounds"] = round(job.rounds * way.get("rounds x", 1))
    values["federation"]["keep_every"] = 1
    path.write_text(yaml.safe_dump(values))
    return load_plan(path)


def train(found: Collection, parts: Mapping[str, Indices], plan_file: Path, out: Path) -> int:
    """Run a study; return the optimiser steps that one site made one after the other."""
    study = create_study(out, plan_file)

    def data(part: Indices, plan: Plan) -> Any:
        return site_data(found, plan, part=part)

    policy = Policy(min_images=1, min_cell=1)
    sites = {n: Site(n, policy, CPU, partial(data, p), None) for n, p in parts.items()}
    run_study(study, sites)
    training = study.plan.training
    n_steps = -(-max(len(p) for p in parts.values()) // training.batch_size)
    return n_steps * training.epochs * study.plan.federation.rounds


def scores(weights: Weights, found: Collection, part: Indices, plan: Plan) -> dict[str, float]:
    """Score a model on some images."""
    model = build_model(plan)
    load_shared(model, weights)
    model = model.to(memory_format=torch.channels_last)
    logits, targets = score(model, site_data(found, plan, part=part).train, plan, CPU)
    area = exact_auc(logits, targets, plan)
    right = (logits > 0) == (targets > 0.5)
    return {
        "auc": float("nan") if area is None else area,
        "loss": float(task_loss(plan)(logits, targets)),
        "acc": float(right.double().mean()),
    }


def average(folder: Path, rounds: list[int]) -> Weights:
    """Average the models of some rounds."""
    models = [load_kept(folder, r).weights for r in rounds]
    return {name: torch.stack([m[name] for m in models]).mean(0) for name in models[0]}


def score_run(out: Path, found: Collection, part: Indices, plan: Plan, stage: str) -> Way:
    """Score the last model and averages of the last; when screening, also each round's."""
    folder = out / "checkpoints"
    rounds = kept_rounds(folder)
    ways: Way = {"last": scores(average(folder, rounds[-1:]), found, part, plan)}
    for n in AVERAGED:
        ways[f"mean of {n}"] = scores(average(folder, rounds[-n:]), found, part, plan)
    if stage == "screen":
        every = [scores(load_kept(folder, r).weights, found, part, plan) for r in rounds]
        ways["curve"] = [round(one["auc"], 4) for one in every]
    return ways


def make_row(data: Path, work: Path, stage: str, name: str, way: str, seed: int) -> dict[str, Any]:
    """Train and score one model."""
    job, changes = SETS[name], WAYS[way]
    folder = find_folder(job, data, work)
    plan = make_plan(job, changes, work, f"gap-{name}", seed)
    site = SiteFile.model_validate({"site": "all", "data": job.data})
    source = SOURCES.get(job.source)()
    found = collect(folder, work / "state" / name, site.data, plan, None, source)
    rest, scored = hold_out(found, job, plan.model_copy(update={"seed": SPLIT_SEEDS[stage]}))
    if stage == "screen":
        rest, scored = hold_out_of(found, rest, job, plan)
    parts = {"all": rest} if changes.get("pooled") else partition(found, rest, "iid", N_SITES, plan)
    out = work / "runs" / f"{name}-{seed}-{time.time_ns()}"
    started = time.process_time()
    n_steps = train(found, parts, work / f"gap-{name}-{seed}.yaml", out)
    spent = time.process_time() - started
    row = {
        "way": way, "seed": seed, "n": len(rest), "n_scored": len(scored), "steps": n_steps,
        "passes": plan.training.epochs * plan.federation.rounds, "cpu_s": round(spent, 1),
    } | score_run(out, found, scored, plan, stage)  # fmt: skip
    shutil.rmtree(out)
    return row


def hold_out_of(found: Collection, rest: Indices, job: Job, plan: Plan) -> tuple[Indices, Indices]:
    """Split the images outside the test part: training, validation."""
    inner = replace(
        found,
        samples=[found.samples[i] for i in rest],
        patients=[found.patients[i] for i in rest],
    )
    kept, out = hold_out(inner, replace(job, validation=0.2), plan)
    return rest[kept], rest[out]


def main(stage: str, data: Path, work: Path, name: str, words: list[str]) -> None:
    """Train what is not there yet, one seed of every way after the other."""
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"{stage}-{name}.jsonl"
    ways = [word for word in words if not word.isdigit()]
    for seed in [int(word) for word in words if word.isdigit()] or SEEDS[stage]:
        for way in ways or WAYS:
            made = [json.loads(r) for r in path.read_text().splitlines()] if path.exists() else []
            if any((r["way"], r["seed"]) == (way, seed) for r in made):
                continue
            row = make_row(data, work, stage, name, way, seed)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            if stage == "screen":
                print({k: v for k, v in row.items() if k != "curve"}, flush=True)


def table(work: Path) -> None:
    """Print a row for each stage, set and way: means over the seeds, gaps to pooled in pairs."""
    shown = ["last", *(f"mean of {n}" for n in AVERAGED)]
    print("| " + " | ".join(["stage, set", "way", "seeds", *COLUMNS, *shown[1:], "CPU s"]) + " |")
    print("|" + "---|" * (len(COLUMNS) + len(shown) + 3))
    for stage in SEEDS:
        for name in SETS:
            path = work / f"{stage}-{name}.jsonl"
            lines = path.read_text().splitlines() if path.exists() else []
            rows = [json.loads(line) for line in lines]
            for way in WAYS:
                own = {row["seed"]: row for row in rows if row["way"] == way}
                pooled = {row["seed"]: row for row in rows if row["way"] == "pooled"}
                if own:
                    cells = [f"{stage}, {name}", way, str(len(own)), *cells_of(own, pooled)]
                    print("| " + " | ".join(cells) + " |")


COLUMNS = ("steps", "passes", "loss", "accuracy", "AUC", "below pooled")


def cells_of(own: Mapping[int, Way], pooled: Mapping[int, Way]) -> list[str]:
    """Give the cells of one way: the last model's scores, then the AUC of averages."""

    def over(key: str, of: str = "last") -> list[float]:
        return [row[of][key] for row in own.values()]

    areas = over("auc")
    gaps = [pooled[s]["last"]["auc"] - own[s]["last"]["auc"] for s in own if s in pooled]
    any_row = next(iter(own.values()))
    return [
        str(any_row["steps"]),
        str(any_row["passes"]),
        f"{mean(over('loss')):.3f}",
        f"{mean(over('acc')):.3f}",
        spread(areas),
        spread(gaps) if gaps else "-",
        *(f"{mean(over('auc', f'mean of {n}')):.3f}" for n in AVERAGED),
        f"{mean(row['cpu_s'] for row in own.values()):.0f}",
    ]


def spread(values: list[float]) -> str:
    """Write mean and standard deviation."""
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


if __name__ == "__main__":
    if sys.argv[1] == "table":
        table(Path(sys.argv[2]))
    else:
        main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5:])
