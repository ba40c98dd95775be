"""Which share of the images to change, and what to fill with: clean and augmented loss, AUC.

    augmentation.py DATA WORK STUDY [SEED...]      STUDY: a key of JOBS below
    augmentation.py table WORK                     the rows of benchmarks/augmentation.md

DATA as for four_columns.py. A part of the patients is held out before anything else; five like
hospitals train the small CNN on the rest, and the last round's model is scored once on the held-out
images, and on the training images as they are and all of them changed. One line of JSON per model
goes to WORK/augmentation-STUDY.jsonl.
"""

import json
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
import yaml
from four_columns import MIRRORED, MOVES, SMALL, STUDIES, Job, find_folder, hold_out, partition
from four_columns import make_plan as first_plan
from safetensors.torch import load_file

from medfl_client.config.site_file import Policy, SiteFile
from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.site_data import site_data
from medfl_client.task.site import Site
from medfl_client.training.augment import augment
from medfl_client.training.evaluate import exact_auc, score
from medfl_client.training.losses import task_loss
from medfl_common.models import build_model
from medfl_common.models.weights import load_shared
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.plan.training import Augmentation
from medfl_common.seeds import torch_generator
from medfl_server.study.run_directory import create_study
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import run_study

CPU = torch.device("cpu")
WAYS = [(0.0, "black"), *((s, f) for s in (0.25, 0.5, 0.75, 1.0) for f in ("black", "edge"))]
JOBS = {
    "pneumonia": replace(STUDIES["pneumonia-cnn"], rounds=15, validation=0.8),
    "breast": replace(STUDIES["breast-cnn"], rounds=30, validation=0.4),
    "ct": replace(
        STUDIES["ct"], model=SMALL, rounds=15,
        training=MIRRORED | {"optimizer": "adam", "batch_size": 8, "lr": 0.001, "epochs": 2},
    ),
}  # fmt: skip
COLUMNS = {
    "train, clean loss": "clean_loss", "changed loss": "changed_loss",
    "clean mean p": "clean_p", "changed mean p": "changed_p", "share positive": "positive",
    "held-out loss": "loss", "held-out AUC": "auc", "CPU s": "cpu_s",
}  # fmt: skip


def changes_of(job: Job) -> dict[str, Any]:
    """Give the changes of a study's images, without share and fill."""
    found: dict[str, Any] = job.training.get("augmentation", MOVES)
    return found


def make_plan(job: Job, work: Path, study: str, seed: int, way: tuple[float, str]) -> Path:
    """Write the plan of one seed, with a share and a fill."""
    path = first_plan(job, work, study, seed)
    values = yaml.safe_load(path.read_text())
    changes = changes_of(job) | {"share": way[0], "fill": way[1]}
    values["training"]["augmentation"] = changes if way[0] else {}
    path.write_text(yaml.safe_dump(values))
    return path


def train(
    found: Collection,
    parts: dict[str, Indices],
    held_out: Indices,
    plan_file: Path,
    out: Path,
    changes: Augmentation,
) -> dict[str, float]:
    """Run a study; score its last model on held-out and on training images."""
    study = create_study(out, plan_file)

    def data(part: Indices, plan: Plan) -> Any:
        return site_data(found, plan, part=part)

    sites = {
        name: Site(name, Policy(min_images=1, min_cell=1), CPU, partial(data, part), None)
        for name, part in parts.items()
    }
    started = time.process_time()
    run_study(study, sites)
    spent = time.process_time() - started
    plan = study.plan
    model = build_model(plan)
    load_shared(model, load_file(out / "model.safetensors"))
    model = model.to(memory_format=torch.channels_last).eval()
    logits, targets = score(model, site_data(found, plan, part=held_out).train, plan, CPU)
    area = exact_auc(logits, targets, plan)
    loss = task_loss(plan)
    held = {"auc": float("nan") if area is None else area, "loss": float(loss(logits, targets))}
    return held | _on_training_images(model, found, parts, plan, changes) | {"cpu_s": spent}


def _on_training_images(
    model: Any,
    found: Collection,
    parts: dict[str, Indices],
    plan: Plan,
    changes: Augmentation,
) -> dict[str, float]:
    """Score the images that were trained on, as they are and all of them changed."""
    clean, changed, truth = [], [], []
    generator = torch_generator(plan.seed, "changed", 0, "all")
    with torch.no_grad():
        for part in parts.values():
            images = site_data(found, plan, part=part).train
            for pixels, targets in images.batches(torch.arange(len(images)), 256):
                clean.append(model(pixels))
                changed.append(model(augment(pixels, changes, generator)))
                truth.append(targets)
    loss, targets = task_loss(plan), torch.cat(truth)
    return {
        "clean_loss": float(loss(torch.cat(clean), targets)),
        "changed_loss": float(loss(torch.cat(changed), targets)),
        "clean_p": float(torch.sigmoid(torch.cat(clean)).mean()),
        "changed_p": float(torch.sigmoid(torch.cat(changed)).mean()),
        "positive": float(targets.mean()),
    }


def main(data: Path, work: Path, name: str, seeds: list[int]) -> None:
    """Train every way of one study."""
    job = JOBS[name]
    work.mkdir(parents=True, exist_ok=True)
    folder = find_folder(job, data, work)
    site = SiteFile.model_validate({"site": "all", "data": job.data})
    for seed in seeds:
        for way in WAYS:
            plan_file = make_plan(job, work, f"augmentation-{name}", seed, way)
            plan = load_plan(plan_file)
            found = collect(
                folder, work / "state" / name, site.data, plan, None, SOURCES.get(job.source)()
            )
            rest, held_out = hold_out(found, job, plan)
            parts = partition(found, rest, "iid", job.n_sites, plan)
            out = work / "runs" / f"{name}-{seed}-{time.time_ns()}"
            row = {"study": name, "seed": seed, "share": way[0], "fill": way[1]}
            changes = Augmentation(**changes_of(job), share=1, fill=way[1])
            row |= train(found, parts, held_out, plan_file, out, changes)
            with (work / f"augmentation-{name}.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)


def table(work: Path) -> None:
    """Print a row for each study and way: means over seeds, the AUC with its spread."""
    print("| study | share | fill | seeds | " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * (4 + len(COLUMNS)))
    for name in JOBS:
        path = work / f"augmentation-{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for share, fill in WAYS:
            own = [row for row in rows if (row["share"], row["fill"]) == (share, fill)]
            cells = [f"{mean(row[key] for row in own):.3f}" for key in COLUMNS.values()]
            cells[-2] += f" ± {stdev(row['auc'] for row in own):.3f}"
            cells[-1] = f"{mean(row['cpu_s'] for row in own):.1f}"
            shown = fill if share else "-"
            print(f"| {name} | {share:g} | {shown} | {len(own)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if sys.argv[1] == "table":
        table(Path(sys.argv[2]))
    else:
        main(
            Path(sys.argv[1]),
            Path(sys.argv[2]),
            sys.argv[3],
            [int(s) for s in sys.argv[4:]] or [0, 1, 2],
        )
