"""Jobs J1, J2, J3 in medfl's simulation.

    medfl_run.py JOB [PRECISION [ENGINE [WORKERS]]]     reads data/JOB_*.npy, writes a run directory

Data, initial weights, sites a round, steps and batch order are the plain loop's; `run.sh` runs
the engines in turn. PRECISION `plain` is the plain loop's arithmetic: float32, channels first;
`float32` is medfl's layout, `auto` what it does by itself. Events for `measure.py` go to the file
that PERF_EVENTS names.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

START = time.monotonic()

import common  # noqa: E402  the other engines' model and data
import numpy as np  # noqa: E402
import torch  # noqa: E402

import medfl_client.data.dataset  # noqa: E402
import medfl_common.models.network  # noqa: E402
import medfl_server.rounds.loop  # noqa: E402
from medfl_client.config.site_file import Policy  # noqa: E402
from medfl_client.data.dataset import ImageSet, SiteData  # noqa: E402
from medfl_client.task.site import Site  # noqa: E402
from medfl_common.models import build_model  # noqa: E402
from medfl_common.models.weights import load_shared, shared_weights  # noqa: E402
from medfl_common.plan.plan import Plan  # noqa: E402
from medfl_common.run.checkpoint import Checkpoint, load_newest, save  # noqa: E402
from medfl_common.seeds import derive_seed  # noqa: E402
from medfl_server.rounds.progress import Progress  # noqa: E402
from medfl_server.study.run_directory import Study, create_study  # noqa: E402
from medfl_sim.engine.simulation import run_study  # noqa: E402

PLAN = """\
plan: 1
study: job
seed: 0
task: {{type: binary, classes: [without, with]}}
images: {{modality: [OT], size: {size}, channels: {channels}}}
model: {{name: {model}, norm: {norm}}}
training: {{lr: 0.01, batch_size: {batch}, precision: {precision}}}
federation: {{rounds: {rounds}, sites_per_round: {per_round}}}
evaluation: {{validation: 0, test: 0}}
"""


@dataclass(frozen=True)
class Hospital(ImageSet):
    """One hospital's images, in the batch order that the comparison prescribes."""

    number: int = 0
    n_rounds: int = 0

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """Draw the order of the round whose generator this is."""
        seen = generator.initial_seed()
        rounds = range(1, self.n_rounds + 1)
        round_ = next(
            r for r in rounds if derive_seed(0, "batch order", r, f"h{self.number}") == seen
        )
        seed = 1000 * round_ + self.number
        return torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))


def mark(kind: str, **values: float) -> None:
    """Write one event for measure.py."""
    if path := os.environ.get("PERF_EVENTS"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"ev": kind, "t": time.monotonic(), **values}) + "\n")


def make_plan(job: str, precision: str) -> str:
    """Write the job as a plan."""
    c = common.JOBS[job]
    is_cnn = c["kind"] == "cnn"
    return PLAN.format(
        size=28 if is_cnn else 224,
        channels=1 if is_cnn else 3,
        model="small_cnn" if is_cnn else "resnet18",
        norm="none" if is_cnn else "batch",
        precision="float32" if precision == "plain" else precision,
        **{name: c[name] for name in ("batch", "rounds", "per_round")},
    )


def use_the_others_layout() -> None:
    """Take channels first, as the plain loop does."""
    for module in (medfl_client.data.dataset, medfl_common.models.network):
        module.layout = lambda n_dimensions: torch.contiguous_format  # type: ignore[attr-defined]


def start_like_the_others(study: Study, names: Iterable[str], kind: str) -> None:
    """Write the initial weights of the other engines as the checkpoint of round 0."""
    theirs = common.make_model(kind).state_dict().values()
    start = [tensor for tensor in theirs if tensor.is_floating_point()]
    save(study.checkpoints, Checkpoint(0, dict(zip(names, start, strict=True)), {}))


def main(job: str, precision: str, engine: str, n_workers: int | None) -> None:
    """Run the job and print the accuracy after each round."""
    c = common.JOBS[job]
    if precision == "plain":
        use_the_others_layout()
    # The sites that the other engines ask.
    medfl_server.rounds.loop.choose_sites = lambda plan, roster, round_: {  # type: ignore[assignment]
        f"h{number}" for number in common.sample(job, round_)
    }
    plan_file = Path(f"{job}-{precision}.yaml")
    plan_file.write_text(make_plan(job, precision))
    out = Path(f"run-{time.time_ns()}")
    study = create_study(out, plan_file)
    pixels, labels = (np.load(Path("data") / f"{job}_{name}.npy", mmap_mode="r") for name in "xy")
    test_x, test_y = (torch.from_numpy(np.load(Path("data") / f"{job}_t{n}.npy")) for n in "xy")

    def data_of(number: int, plan: Plan) -> SiteData:
        targets = torch.from_numpy(np.array(labels[number]))[:, None]
        channels, rows = study.plan.images.channels, np.arange(len(targets))
        here = Hospital(pixels[number], rows, targets, channels, number, c["rounds"])
        nobody = ImageSet(pixels[number], rows[:0], targets[:0], channels)
        return SiteData(here, nobody, nobody)

    def site(number: int) -> Site:
        data = partial(data_of, number)
        return Site(f"h{number}", Policy(), torch.device("cpu"), data, None)

    model = build_model(study.plan).eval()

    @torch.no_grad()
    def follow(progress: Progress) -> None:
        if progress.part:
            return
        if progress.round == 0:
            mark("first_step")
            return
        checkpoint, _ = load_newest(study.checkpoints)
        load_shared(model, checkpoint.weights)  # type: ignore[union-attr]
        logits = torch.cat([model(part).squeeze(1) for part in test_x.split(250)])
        accuracy = ((logits > 0).float() == test_y).float().mean().item()
        mark("round_end", r=progress.round, acc=accuracy)
        print(f"round {progress.round}: {time.monotonic() - START:.2f} s, accuracy {accuracy:.3f}")

    start_like_the_others(study, shared_weights(model), c["kind"])
    sites = {f"h{number}": site(number) for number in range(c["n_clients"])}
    run_study(study, sites, follow=follow, engine=engine, n_workers=n_workers)
    events = study.log.lines("round")
    mark("steps_total", steps=sum(s["n_steps"] for e in events for s in e["sites"].values()))
    shutil.rmtree(out)


if __name__ == "__main__":
    wanted = sys.argv[1:] + ["auto", "inprocess"][len(sys.argv) - 2 :]
    main(wanted[0], wanted[1], wanted[2], int(wanted[3]) if len(wanted) > 3 else None)
