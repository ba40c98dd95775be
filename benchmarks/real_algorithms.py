"""Every algorithm as real processes over TLS: are the final weights those of the simulation?

    real_algorithms.py WORK_FOLDER [NAME[+MESSAGES] ...]     # as fedadam, or scaffold+top_k

Two synthetic hospitals, three for the robust rules, and three rounds. Prints for each the
coordinator's exit status, whether the SHA-256 of the final weights is the simulation's, and the
seconds.
"""

import logging
import sys
import time
from pathlib import Path

import yaml

from medfl_common.run.log import read_lines
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospitals
from medfl_sim.engine.simulation import run_study
from medfl_sim.local.deployment import Deployment

ROBUST = ("median", "trimmed_mean", "krum", "multi_krum", "bulyan")
NAMES = (
    *ROBUST,
    "fedadam", "fedyogi", "fedadagrad", "fedavgm", "feddyn", "fednova", "qfedavg", "cyclic",
    "fedprox", "fedbn", "fedper", "fedrep", "moon", "ditto", "scaffold+top_k", "fedavg+float16",
)  # fmt: skip


def one(folder: Path, name: str) -> tuple[int, bool, float]:
    """Make one study twice."""
    folder.mkdir(parents=True)
    strategy, _, form = name.partition("+")
    messages = {"update": form, "weights": "float16"} if form else {}
    plan = {
        "plan": 1, "study": "real", "seed": 3,
        "task": {"type": "binary", "classes": ["normal", "opacity"]},
        "images": {"modality": ["CR", "DX"], "size": 24},
        "model": {"name": "small_cnn", "norm": "batch"},
        "training": {"lr": 0.01, "batch_size": 8, "epochs": 2},
        "federation": {"rounds": 3, "deadline_s": 60, "strategy": strategy, "messages": messages,
                       **({"bad_sites": 0} if strategy in ROBUST else {})},
        "evaluation": {"validation": 0.25},
    }  # fmt: skip
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    n_sites = 3 if strategy in ROBUST else 2
    sites = write_hospitals(folder / "hospitals", n_sites=n_sites, n_images=40, seed=1)
    for site in sites:
        with (site / "site.yaml").open("a") as file:
            file.write("policy: {min_images: 5, min_cell: 1}\n")
    study = create_study(folder / "simulated", folder / "plan.yaml")
    run_study(study, virtual_sites(folder / "hospitals", study.plan))
    expected = study.log.lines("finished")[0]["sha256"]

    deployment = Deployment(folder)
    deployment.create(folder / "plan.yaml", {site.name: site for site in sites})
    started = time.monotonic()
    try:
        server = deployment.start_server()
        for site in sites:
            deployment.start_client(site)
        status = server.wait(300)
    finally:
        deployment.stop()
    events = read_lines(deployment.study / "log.jsonl")
    found = [event["sha256"] for event in events if event["event"] == "finished"]
    return status, found == [expected], time.monotonic() - started


if __name__ == "__main__":
    logging.getLogger("flwr").setLevel(logging.WARNING)
    for chosen in sys.argv[2:] or NAMES:
        status, is_same, seconds = one(Path(sys.argv[1]) / chosen, chosen)
        print(f"{chosen}: exit {status}, same weights {is_same}, {seconds:.0f} s", flush=True)
