"""What rules withstand: one of eight hospitals scaled, flipped or mislabelled, on real images.

    robust.py DATA WORK [SEED ...]

PneumoniaMNIST partitioned at random, a small CNN without running statistics, ten rounds. With
`admission` the coordinator quarantines what is far too large, as it does by default, and goes on
with seven sites; without, the rule alone is left to it. Prints a line per run.
"""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from algorithms import common, judge
from four_columns import MNIST, STUDIES, find_folder

from medfl_common.errors import RunError
from medfl_common.plan.plan import load_plan
from medfl_common.plan.settings import check
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import Scenario, read_faults
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import run_study

RULES = ("fedavg", "median", "trimmed_mean", "krum", "multi_krum", "bulyan")
FAULTS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "scaled by 100": [{"kind": "scaled", "factor": 100, "sites": 1}],
    "sign flipped": [{"kind": "sign_flip", "sites": 1}],
    "flipped, times 5": [{"kind": "sign_flip", "factor": 5, "sites": 1}],
    "labels wrong": [{"kind": "label_noise", "probability": 1.0, "sites": 1}],
}
TOO_LARGE = ("scaled by 100",)  # the other updates are within what admission lets in


def one(data: Path, work: Path, rule: str, fault: str, seed: int, admits: bool) -> dict[str, float]:
    """Make one study."""
    folder = find_folder(STUDIES["pneumonia-cnn"], data, work)
    site_file = work / "robust.site.yaml"
    site_file.write_text(yaml.safe_dump({"site": "all", "data": MNIST}))
    values = {
        "plan": 1, "study": "robust", "seed": seed,
        "task": {"type": "binary", "classes": ["no", "yes"]},
        "images": {"modality": ["OT"], "size": 28},
        "model": {"name": "small_cnn", "norm": "group"},
        "training": {"lr": 0.02, "batch_size": 32},
        "federation": {"rounds": 10, "strategy": rule, "min_sites": 7 if admits else 8,
                       "norm_limit": 30 if admits else 1e9},
        "evaluation": {"validation": 0.3, "keep": "last"},
    }  # fmt: skip
    name = f"{rule}-{fault.replace(' ', '-')}-{seed}-{admits}"
    plan_file = work / "plans" / f"robust-{name}.yaml"
    plan_file.parent.mkdir(parents=True, exist_ok=True)
    plan_file.write_text(yaml.safe_dump(values))
    plan = load_plan(plan_file)
    partitioned_sites = {"partition": {"kind": "iid", "sites": 8}, "faults": FAULTS[fault]}
    scenario = check(Scenario, partitioned_sites, "the benchmark")  # type: ignore[arg-type]
    sites = virtual_sites(folder, plan, scenario, site_file, None, SOURCES.get("npz")())
    study = create_study(work / "runs" / f"robust-{name}-{time.time_ns()}", plan_file)
    run_study(study, sites, faults=read_faults(scenario))
    return judge(common(study, sites), sites)["all"]


def main(data: Path, work: Path, seeds: list[int]) -> None:
    """Run all."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    work.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for fault in FAULTS:
            for rule in RULES:
                # Where no update is larger than it should be, admission has nothing to do.
                for admits in (True, False) if fault in TOO_LARGE else (False,):
                    try:
                        found: Any = one(data, work, rule, fault, seed, admits)
                    except RunError as error:
                        found = {"error": str(error)}
                    facts = {"rule": rule, "fault": fault, "seed": seed, "admission": admits}
                    print(json.dumps(facts | found), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), [int(w) for w in sys.argv[3:]] or [0, 1, 2])
