"""Seconds and memory of a simulation for 10 to 10,000 virtual hospitals at the same total work.

    growth.py [N ...]

20,000 images of 28 x 28 are partitioned evenly in batches of 2, so every run makes 10,000 steps a
round, two rounds. What grows is the number of messages. Each run is a process of its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PLAN = """\
plan: 1
study: growth
seed: 0
task: {type: binary, classes: [without, with]}
images: {modality: [OT], size: 28}
model: {name: small_cnn, norm: none}
training: {lr: 0.01, batch_size: 2}
federation: {rounds: 2}
evaluation: {validation: 0, test: 0}
"""
N_IMAGES = 20_000


def measure(n_sites: int) -> dict[str, float]:
    """Run the study over so many hospitals in this process."""
    import torch

    from medfl_client.config.site_file import Policy
    from medfl_client.data.dataset import ImageSet, SiteData
    from medfl_client.task.site import Site
    from medfl_common.plan.plan import Plan
    from medfl_server.study.run_directory import create_study
    from medfl_sim.engine.simulation import run_study

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (N_IMAGES, 1, 28, 28), np.uint8)
    targets = torch.from_numpy(rng.integers(0, 2, (N_IMAGES, 1)).astype(np.float32))
    policy, device = Policy(min_images=1, min_cell=1), torch.device("cpu")

    def site(number: int, rows: np.ndarray) -> Site:
        def data(plan: Plan) -> SiteData:
            own = ImageSet(pixels, rows, targets[torch.from_numpy(rows)])
            none = ImageSet(pixels, rows[:0], targets[:0])
            return SiteData(own, none, none)

        return Site(f"h{number}", policy, device, data, None)

    parts = np.array_split(np.arange(N_IMAGES), n_sites)
    sites = {f"h{number}": site(number, rows) for number, rows in enumerate(parts)}
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.yaml"
        plan.write_text(PLAN)
        study = create_study(Path(folder) / "run", plan)
        wall, cpu = time.perf_counter(), time.process_time()
        run_study(study, sites)
        rounds = study.log.lines("round")
        steps = sum(s["n_steps"] for event in rounds for s in event["sites"].values())
        return {
            "sites": n_sites,
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            "log_mb": (study.folder / "log.jsonl").stat().st_size / 1e6,
            "steps": steps,
        }


def main(numbers: list[int]) -> None:
    """Print a table, and the straight line of the CPU seconds."""
    found = []
    print("| hospitals | CPU s | wall s | peak memory, MB | log, MB | steps |\n" + "|---" * 6 + "|")
    for number in numbers:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(number)], check=True, stdout=subprocess.PIPE
        )
        row = json.loads(done.stdout.decode().splitlines()[-1])
        found.append(row)
        print(
            f"| {number:,} | {row['cpu']:.1f} | {row['wall']:.1f} | {row['mb']:.0f} "
            f"| {row['log_mb']:.1f} | {row['steps']:,} |", flush=True,
        )  # fmt: skip
    for key, unit in (("cpu", "s"), ("mb", "MB")):
        n, y = (np.array([row[name] for row in found]) for name in ("sites", key))
        slope, start = np.polyfit(n, y, 1)
        worst = np.abs(y - (start + slope * n)).max() / y.max()
        print(
            f"{key}: {start:.1f} {unit} + {1000 * slope:.2f} {unit} for every 1,000 hospitals; "
            f"no run is further than {worst:.1%} of the largest from that line"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
    else:
        main([int(word) for word in sys.argv[1:]] or [10, 100, 1000, 3000, 10_000])
