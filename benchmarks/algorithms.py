"""Algorithms at label skew: accuracy and AUC over hospitals whose classes differ, on real images.

    algorithms.py DATA WORK {pneumonia|breast|cxr} ALPHA [SEED ...]
    algorithms.py table WORK          # what is in WORK/algorithms.jsonl, as tables

Eight hospitals by Dirichlet(ALPHA) over the classes. Every algorithm has the same network (small
CNN, BatchNorm), start, batch order, rounds and plain SGD; its own numbers are the defaults
of the plan. Each model is judged on the validation patients of each hospital, 30 %, by the model
that
the hospital would use (the common one, with its own layers, or its own), and on everybody's. One
line per run is added to WORK/algorithms.jsonl; what is there is not run again.
"""

import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from four_columns import MNIST, NIH, STUDIES, find_folder
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from medfl_client.task.site import Site
from medfl_common.errors import RunError
from medfl_common.plan.plan import load_plan
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import partitioned
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import run_study
from medfl_sim.runs.baselines import alone_folder, pooled_folder, run_baselines
from medfl_sim.runs.compare import Finished

Used = tuple[Finished, str]  # a finished study, and whose own layers or model of it
ALGORITHMS = ("fedavg", "fedprox", "fedadam", "scaffold", "fedbn", "ditto")
OWN = ("fedbn", "ditto")
COLUMNS = (("own", "accuracy"), ("all", "balanced"), ("all", "auc"))
JOBS: dict[str, tuple[str, dict[str, Any], int, int]] = {  # study, data, pixels, rounds
    "pneumonia": ("pneumonia-cnn", MNIST, 28, 20),
    "breast": ("breast-cnn", MNIST, 28, 40),
    "cxr": ("cxr", NIH, 64, 20),
}


def make_plan(work: Path, job: str, seed: int, strategy: str) -> Path:
    """Write the plan of one run."""
    *_, size, rounds = JOBS[job]
    values = {
        "plan": 1, "study": job, "seed": seed,
        "task": {"type": "binary", "classes": ["no", "yes"]},
        "images": {"modality": ["OT"], "size": size},
        "model": {"name": "small_cnn", "norm": "batch"},
        "training": {"lr": 0.05, "momentum": 0, "batch_size": 16},
        "federation": {"rounds": rounds, "strategy": strategy},
        "evaluation": {"validation": 0.3, "keep": "last"},
    }  # fmt: skip
    path = work / "plans" / f"{job}-{strategy}-{seed}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values))
    return path


def judge(models: Mapping[str, Used], sites: Mapping[str, Site]) -> dict[str, dict[str, float]]:
    """Judge the hospitals' models on validation images: on each hospital's own, and on everybody's.

    Where classes differ much, a model that always says what is usual at its hospital does well on
    its own patients and badly on others: `own` is what the hospital sees, `all` what was learnt.
    """
    seen: dict[tuple[int, str, str], tuple[np.ndarray, np.ndarray]] = {}

    def look(model: Finished, local: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        key = id(model), local, name
        if key not in seen:
            _, odds, targets = model.score(sites[name], name, local)
            seen[key] = odds[:, 0], targets.numpy()[:, 0] > 0.5
        return seen[key]

    def joined(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        odds, truth = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        return {
            "accuracy": float(((odds > 0) == truth).mean()),
            "balanced": float(balanced_accuracy_score(truth, odds > 0)),
            "auc": float(roc_auc_score(truth, odds)),
        }

    everywhere = [joined(look(*models[here], name) for name in sites) for here in sites]
    return {
        "own": joined(look(*models[name], name) for name in sites),
        "all": {key: float(np.mean([found[key] for found in everywhere])) for key in everywhere[0]},
    }


def common(study: Study, sites: Mapping[str, Site]) -> dict[str, Used]:
    """Give every hospital the study's model: with its own layers, or its own one, where it has."""
    model, strategy = Finished(study, study.folder / "local"), study.plan.federation.strategy
    return {name: (model, name if strategy in OWN else "everybody") for name in sites}


def one(data: Path, work: Path, job: str, alpha: str, seed: int, strategy: str) -> dict[str, Any]:
    """Make one study; FedAvg's also trains each hospital alone and all in one place."""
    name, fields, _, _ = JOBS[job]
    folder = find_folder(STUDIES[name], data, work)
    site_file = work / f"{job}.site.yaml"
    site_file.write_text(yaml.safe_dump({"site": "all", "data": fields}))
    plan_file = make_plan(work, job, seed, strategy)
    plan = load_plan(plan_file)
    scenario = partitioned(f"dirichlet:{alpha},min_patients=8", 8)
    reader = SOURCES.get(STUDIES[name].source)()
    sites = virtual_sites(folder, plan, scenario, site_file, None, reader)
    study = create_study(
        work / "runs" / f"{job}-{alpha}-{strategy}-{seed}-{time.time_ns()}", plan_file
    )
    started = time.process_time()
    run_study(study, sites)
    spent = time.process_time() - started
    found: dict[str, Any] = {strategy: judge(common(study, sites), sites) | {"cpu_s": spent}}
    if strategy == "fedavg":
        run_baselines(study, sites)
        alone = {name: open_study(alone_folder(study, name)) for name in sites}
        models = {name: (Finished(own, own.folder / "local"), name) for name, own in alone.items()}
        found["alone"] = judge(models, sites)
        found["pooled"] = judge(common(open_study(pooled_folder(study)), sites), sites)
    return found


def main(data: Path, work: Path, job: str, alpha: str, seeds: list[int]) -> None:
    """Run what is not in the file yet."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    work.mkdir(parents=True, exist_ok=True)
    path = work / "algorithms.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    done = {tuple(json.loads(line)[k] for k in ("job", "alpha", "seed", "run")) for line in lines}
    for seed in seeds:
        for strategy in ALGORITHMS:
            if (job, alpha, seed, strategy) in done:
                continue
            try:
                found = one(data, work, job, alpha, seed, strategy)
            except RunError as error:
                found = {"error": str(error)}
            facts = {"job": job, "alpha": alpha, "seed": seed, "run": strategy, "found": found}
            with path.open("a") as file:
                file.write(json.dumps(facts) + "\n")
            print(json.dumps(facts), flush=True)


def table(work: Path) -> None:
    """Print a table per data set: means over the seeds, with lowest and highest."""
    lines = [json.loads(line) for line in (work / "algorithms.jsonl").read_text().splitlines()]
    found: dict[tuple[str, str, str], list[dict[str, dict[str, float]]]] = {}
    for line in lines:
        for name, scores in line["found"].items():
            found.setdefault((line["job"], line["alpha"], name), []).append(scores)
    columns = [(a, *c) for a in ("0.1", "1.0") for c in COLUMNS]
    for job in JOBS:
        print(
            f"\n{job}\n\n| | " + " | ".join(f"{a}: {on} {what}" for a, on, what in columns) + " |"
        )
        print("|---" * (len(columns) + 1) + "|")
        for name in ("alone", "pooled", *ALGORITHMS):
            cells = []
            for alpha, on, what in columns:
                values = [scores[on][what] for scores in found.get((job, alpha, name), [])]
                middle, ends = np.mean(values or [np.nan]), f"{min(values, default=0):.2f}"
                cells.append(f"{middle:.3f} ({ends} to {max(values, default=0):.2f})")
            print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if sys.argv[1] == "table":
        table(Path(sys.argv[2]))
        sys.exit()
    main(
        Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4],
        [int(word) for word in sys.argv[5:]] or [0, 1, 2],
    )  # fmt: skip
