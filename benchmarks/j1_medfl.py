"""Job J1 in medfl's simulation: 20 hospitals x 200 images of 28 x 28, small CNN, 5 rounds.

    j1_medfl.py WORK_FOLDER      reads WORK_FOLDER/data/J1_*.npy, writes a run directory there

The same data, steps and batch order as the other engines of the comparison; `run_j1.sh` runs them
in turn. Events for its `measure.py` go to the file that PERF_EVENTS names.
"""

import json
import os
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

START = time.monotonic()

import common  # noqa: E402  the other engines' model and data
import numpy as np  # noqa: E402
import torch  # noqa: E402

from medfl_client.dataset import ImageSet, SiteData  # noqa: E402
from medfl_client.site import Site  # noqa: E402
from medfl_client.site_file import Policy  # noqa: E402
from medfl_common.checkpoint import Checkpoint, load_newest, save  # noqa: E402
from medfl_common.models import build_model  # noqa: E402
from medfl_common.params import load_shared, shared_weights  # noqa: E402
from medfl_common.plan import Plan  # noqa: E402
from medfl_server.rounds import Progress  # noqa: E402
from medfl_server.study import create_study  # noqa: E402
from medfl_sim.simulation import run_study  # noqa: E402

PLAN = """\
plan: 1
study: j1
seed: 0
task: {type: binary, classes: [without, with]}
images: {modality: [OT], size: 28}
model: {name: small_cnn, norm: none}
training: {optimizer: sgd, lr: 0.01, momentum: 0.9, batch_size: 32, precision: float32}
federation: {rounds: 5}
evaluation: {validation: 0}
"""


@dataclass(frozen=True)
class Hospital(ImageSet):
    """One hospital's images, in the batch order that the comparison prescribes."""

    number: int = 0
    rounds: "count[int]" = field(default_factory=lambda: count(1))

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """Draw the order of this hospital's next round."""
        seed = 1000 * next(self.rounds) + self.number
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))


def mark(kind: str, **values: float) -> None:
    """Write one event for measure.py."""
    if path := os.environ.get("PERF_EVENTS"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"ev": kind, "t": time.monotonic(), **values}) + "\n")


def main(work: Path) -> None:
    """Run the job and print the accuracy after each round."""
    plan_file = work / "j1.yaml"
    plan_file.write_text(PLAN)
    pixels, labels = (np.load(work / "data" / f"J1_{name}.npy", mmap_mode="r") for name in "xy")
    test_x, test_y = (torch.from_numpy(np.load(work / "data" / f"J1_t{n}.npy")) for n in "xy")

    def data_of(number: int) -> SiteData:
        targets = torch.from_numpy(np.array(labels[number]))[:, None]
        here = Hospital(pixels[number], np.arange(len(targets)), targets, 1, number)
        return SiteData(here, ImageSet(pixels[number], np.arange(0), targets[:0]))

    def site(number: int) -> Site:
        def data(plan: Plan, name: str) -> SiteData:
            return data_of(number)

        return Site(f"h{number}", Policy(), torch.device("cpu"), data, None)

    study = create_study(work / f"run-{time.time_ns()}", plan_file)
    model = build_model(study.plan).eval()

    @torch.no_grad()
    def follow(progress: Progress) -> None:
        if progress.round == 0:
            mark("first_step")
            return
        checkpoint, _ = load_newest(study.checkpoints)
        load_shared(model, checkpoint.weights)  # type: ignore[union-attr]
        logits = torch.cat([model(part).squeeze(1) for part in test_x.split(250)])
        accuracy = ((logits > 0).float() == test_y).float().mean().item()
        mark("round_end", r=progress.round, acc=accuracy)
        print(f"round {progress.round}: {time.monotonic() - START:.2f} s, accuracy {accuracy:.3f}")

    # The start weights of the other engines: a checkpoint of round 0, gone on with.
    start = dict(
        zip(shared_weights(model), common.make_model("cnn").state_dict().values(), strict=True)
    )
    save(study.checkpoints, Checkpoint(0, start, {}))
    run_study(study, {f"h{number}": site(number) for number in range(20)}, follow=follow)
    events = study.log.events("round")
    mark("steps_total", steps=sum(s["n_steps"] for e in events for s in e["sites"].values()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
