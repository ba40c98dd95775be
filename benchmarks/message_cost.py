"""CPU of a message in simulation: all that surrounds the training, guard and admission included.

    message_cost.py [HOSPITALS [ROUNDS]]

Each hospital has 20 images of 28 x 28 and makes one step with the small CNN, whose weights are
0.4 MB. The CPU seconds inside the training loop are taken off; the first round is not counted.
"""

import json
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

import medfl_client.training.local_round as local_round
from medfl_client.config.site_file import Policy
from medfl_client.data.dataset import ImageSet, SiteData
from medfl_client.task.site import Site
from medfl_client.training.train import Trained
from medfl_common.plan.plan import Plan
from medfl_server.rounds.progress import Progress
from medfl_server.study.run_directory import create_study
from medfl_sim.engine.simulation import run_study

PLAN = """\
plan: 1
study: messages
seed: 0
task: {{type: binary, classes: [without, with]}}
images: {{modality: [OT], size: 28}}
model: {{name: small_cnn, norm: none}}
training: {{lr: 0.01, batch_size: 32}}
federation: {{rounds: {rounds}}}
evaluation: {{validation: 0, test: 0}}
"""
N_IMAGES = 20  # of a hospital


def main(n_sites: int, n_rounds: int) -> None:
    """Print the milliseconds of CPU that a message costs beside the training."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (N_IMAGES, 1, 28, 28), np.uint8)
    targets = torch.from_numpy(rng.integers(0, 2, (N_IMAGES, 1)).astype(np.float32))

    def data(plan: Plan) -> SiteData:
        rows = np.arange(N_IMAGES)
        none = ImageSet(pixels, rows[:0], targets[:0])
        return SiteData(ImageSet(pixels, rows, targets), none, none)

    training, train = [0.0], local_round.train

    def timed(*values: Any) -> Trained:
        started = time.process_time()
        trained = train(*values)
        training[0] += time.process_time() - started
        return trained

    marks: list[float] = []

    def follow(progress: Progress) -> None:
        if not progress.part:
            marks.append(time.process_time() - training[0])

    local_round.train = timed  # type: ignore[assignment]
    policy, device = Policy(min_images=1, min_cell=1), torch.device("cpu")
    sites = {f"h{n}": Site(f"h{n}", policy, device, data, None) for n in range(n_sites)}
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.yaml"
        plan.write_text(PLAN.format(rounds=n_rounds))
        run_study(create_study(Path(folder) / "run", plan), sites, follow=follow)
    each = [1000 * (b - a) / n_sites for a, b in pairwise(marks[1:])]
    facts = {"ms": statistics.median(each), "lowest": min(each), "highest": max(each)}
    print(json.dumps({"hospitals": n_sites, "rounds": len(each), **facts}))


if __name__ == "__main__":
    wanted = [int(word) for word in sys.argv[1:]]
    main(*(wanted + [100, 11][len(wanted) :]))
