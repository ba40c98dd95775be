"""Adapters beside a head alone, and beside all weights, on a small ViT: AUC, message, CPU time.

    adapters.py DATA WORK [SEED...]      the studies, a line of JSON each to WORK/adapters.jsonl
    adapters.py table WORK               the rows of benchmarks/adapters.md

DATA as for four_columns.py. There are no published weights for so small a ViT: it first learns
PneumoniaMNIST in one place, and its head is left out. Five like hospitals then go on from that file
with other images, whose held-out part scores the last round's model once.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

from four_columns import STUDIES, Job, find_folder, hold_out, make_plan, partition, train
from safetensors.torch import load_file, save_file

from medfl_client.config.site_file import SiteFile
from medfl_client.data.ingest import Collection, collect
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.wire.cost import sizes
from medfl_sim.data.sources import SOURCES

VIT = {"name": "vit_tiny_16"}
STEPS = {"optimizer": "adam", "augmentation": {}, "epochs": 2}
IMAGES = {"modality": ["OT"], "size": 32}
FIRST = replace(
    STUDIES["pneumonia-cnn"],
    model=VIT,
    rounds=8,
    training=STEPS | {"lr": 0.0003, "epochs": 1},
    images=IMAGES,
)
WAYS: dict[str, tuple[dict[str, object], float]] = {  # what is trained: model, learning rate
    "head": ({"freeze": "all"}, 0.01),
    "adapters, attention": ({"adapters": {"where": "attention"}}, 0.003),
    "adapters, all": ({"adapters": {"where": "all"}}, 0.003),
    "all weights": ({}, 0.0003),
}
TARGETS = {
    "cxr": replace(STUDIES["cxr"], images=IMAGES, rounds=20, validation=0.4),
    "breast": replace(STUDIES["breast-cnn"], images=IMAGES, rounds=20, validation=0.4),
}


def collected(job: Job, data: Path, work: Path, plan: Plan) -> Collection:
    """Find and read a study's images."""
    site = SiteFile.model_validate({"site": "all", "data": job.data})
    folder = find_folder(job, data, work)
    state = work / "state" / job.folder.replace("/", "-")
    return collect(folder, state, site.data, plan, None, SOURCES.get(job.source)())


def learn_first(data: Path, work: Path) -> dict[str, str]:
    """Train on the first images in one place, and give the file for a plan; once for all."""
    file = work / "first.safetensors"
    if not file.exists():
        plan_file = make_plan(FIRST, work, "first", 0)
        plan = load_plan(plan_file)
        found = collected(FIRST, data, work, plan)
        rest, held_out = hold_out(found, FIRST, plan)
        scores = train(found, {"all": rest}, plan_file, work / "runs" / "first", held_out)
        print("first", scores, flush=True)
        learnt = load_file(work / "runs" / "first" / "model.safetensors")
        save_file({name: t for name, t in learnt.items() if not name.startswith("head.")}, file)
    return {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def main(data: Path, work: Path, seeds: list[int]) -> None:
    """Go on from the first file in every way."""
    work.mkdir(parents=True, exist_ok=True)
    weights = learn_first(data, work)
    for name, target in TARGETS.items():
        for seed in seeds:
            for way, (model, rate) in WAYS.items():
                training = STEPS | {"lr": rate}
                job = replace(target, model=VIT | {"weights": weights} | model, training=training)
                plan_file = make_plan(
                    job, work, f"{name}-{way.replace(', ', '-').replace(' ', '-')}", seed
                )
                plan = load_plan(plan_file)
                found = collected(job, data, work, plan)
                rest, held_out = hold_out(found, job, plan)
                parts = partition(found, rest, "iid", job.n_sites, plan)
                out = work / "runs" / f"{plan_file.stem}"
                row = {"study": name, "seed": seed, "way": way, "bytes": sizes(plan)[1]}
                row |= {"n": len(rest)} | train(found, parts, plan_file, out, held_out)
                with (work / "adapters.jsonl").open("a") as lines:
                    lines.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)


def table(work: Path) -> None:
    """Print a row for each study and way."""
    rows = [json.loads(line) for line in (work / "adapters.jsonl").read_text().splitlines()]
    print("| images | trained | seeds | held-out AUC | a message, kB |")
    print("|---|---|---|---|---|")
    for name in TARGETS:
        for way in WAYS:
            own = [row for row in rows if (row["study"], row["way"]) == (name, way)]
            if len(own) > 1:
                areas = [row["auc"] for row in own]
                print(
                    f"| {name} | {way} | {len(own)} | {mean(areas):.3f} ± {stdev(areas):.3f} | "
                    f"{own[0]['bytes'] / 1000:,.1f} |"
                )


if __name__ == "__main__":
    if sys.argv[1] == "table":
        table(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]), [int(s) for s in sys.argv[3:]] or [0, 1, 2])
