"""Pooled, federated over like hospitals, federated over unlike ones, and each hospital alone.

    four_columns.py DATA WORK STUDY [SEED...]      STUDY: a key of STUDIES below

DATA holds medmnist/, cxr_nih/, ct_tcga_dcm/ (unpacked: dicom/, labels.csv) and brain_mri/. For each
seed a part of the patients is validation before anything else and never trained on; every model is
scored on it once, after its last round: nothing is chosen by it. Each model sees every image of its
hospitals rounds x epochs times. One line of JSON per seed goes to WORK/STUDY.jsonl.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from medfl_client.config.site_file import Policy, SiteFile
from medfl_client.data.dataset import Indices
from medfl_client.data.ingest import Collection, collect
from medfl_client.data.site_data import site_data
from medfl_client.task.site import Site
from medfl_client.training.evaluate import exact_auc, score
from medfl_common.models import build_model
from medfl_common.models.weights import load_shared
from medfl_common.plan.plan import Plan, load_plan
from medfl_common.seeds import numpy_generator
from medfl_server.study.run_directory import create_study
from medfl_sim.data.partitioners import Table
from medfl_sim.data.scenario import read_partition, read_way
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import run_study

MNIST = {"folder": ".", "labels_from": "file", "values": {"0": "no", "1": "yes"}}
NIH = {
    "folder": "images", "labels": "labels.csv", "join": "path", "join_column": "file",
    "label_column": "pneumonia", "patient_column": "patient_id", "values": {"0": "no", "1": "yes"},
}  # fmt: skip
CT = {
    "folder": "dicom", "labels": "labels.csv", "join": "path", "join_column": "file",
    "label_column": "contrast", "values": {"0": "no", "1": "yes"},
}  # fmt: skip
BRAIN = {
    "folder": "images", "labels": "labels.csv", "join": "path", "join_column": "file",
    "label_column": "tumour", "patient_column": "patient", "values": {"0": "no", "1": "yes"},
}  # fmt: skip
SMALL = {"name": "small_cnn"}
MOVES = {"rotation_deg": 10, "shift": 0.1, "zoom": 0.1}
MIRRORED = {"augmentation": MOVES | {"flip": True}}


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    source: str
    folder: str
    data: dict[str, Any]
    model: dict[str, Any]
    rounds: int
    training: dict[str, Any] = field(default_factory=dict)
    images: dict[str, Any] = field(default_factory=lambda: {"modality": ["OT"], "size": 28})
    validation: float = 0.1
    n_sites: int = 5
    unlike: str = "dirichlet:0.3"
    alone: tuple[str, ...] = ("like", "unlike")


RESNET = {"name": "resnet18_small", "norm": "group"}
STUDIES = {
    "pneumonia-cnn": Job("npz", "medmnist/pneumonia", MNIST, SMALL, 20),
    "breast-cnn": Job("npz", "medmnist/breast", MNIST, SMALL, 40, MIRRORED),
    "pneumonia-resnet18": Job("npz", "medmnist/pneumonia", MNIST, RESNET, 3, alone=("like",)),
    "breast-resnet18": Job("npz", "medmnist/breast", MNIST, RESNET, 8, MIRRORED, alone=("like",)),
    "cxr": Job(
        "pictures", "cxr_nih", NIH, {"name": "resnet18"}, 8,
        {"optimizer": "adam", "lr": 0.0003,
         "augmentation": {"rotation_deg": 5, "shift": 0.05, "zoom": 0.05}},
        {"modality": ["OT"], "size": 64}, 0.2, alone=("unlike",),
    ),
    "ct": Job(
        "dicom", "ct", CT, {"name": "resnet18"}, 20,
        MIRRORED | {"optimizer": "adam", "batch_size": 8, "lr": 0.0003, "epochs": 2},
        {"modality": ["CT"], "size": 64, "intensity": {"rule": "fixed", "centre": 100,
         "width": 600}}, 0.3, unlike="column:tss_hospital",
    ),
    "brain": Job(
        "pictures", "brain", BRAIN, SMALL, 20, MIRRORED,
        {"modality": ["OT"], "size": 64, "bits": 16, "intensity": {"rule": "percentile"}},
        0.34, 2, "column:home",
    ),
}  # fmt: skip


def write_brain(source: Path, folder: Path) -> None:
    """Write the slices as 16-bit PNG; a patient of both vendors is at the second one's hospital."""
    arrays = np.load(source / "brain_mri" / "slices.npz")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    has_second = {
        p for p, s in zip(arrays["patient"], arrays["scanner"], strict=True) if s[0] == "S"
    }
    lines = ["file,patient,home,tumour"]
    for i, image in enumerate(arrays["images"]):
        Image.fromarray(image).save(folder / "images" / f"{i:03d}.png")
        patient = arrays["patient"][i]
        home = "siemens" if patient in has_second else "ge"
        lines.append(f"{i:03d}.png,p{patient},{home},{arrays['tumour'][i]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def find_folder(job: Job, data: Path, work: Path) -> Path:
    """Give a folder that holds this study's images alone."""
    folder = work / "data" / job.folder
    if job.folder == "brain":
        write_brain(data, folder)
    elif job.source == "npz" and not folder.exists():
        folder.mkdir(parents=True)
        name = f"{Path(job.folder).name}mnist_trainval.npz"
        (folder / name).symlink_to((data / "medmnist" / name).resolve())
        bytes_ = (data / "medmnist" / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(bytes_)
    elif job.source != "npz":
        return data / job.folder
    return folder


def make_plan(job: Job, work: Path, study: str, seed: int) -> Path:
    """Write the plan of one seed; no site holds anything back, the last round counts."""
    training = {
        "lr": 0.02, "batch_size": 32, "schedule": {"kind": "cosine"}, "augmentation": MOVES,
    } | job.training  # fmt: skip
    values = {
        "plan": 1, "study": study, "seed": seed,
        "task": {"type": "binary", "classes": ["no", "yes"]},
        "images": job.images, "model": job.model, "training": training,
        "federation": {"rounds": job.rounds},
        "evaluation": {"validation": 0, "test": 0, "keep": "last"},
    }  # fmt: skip
    path = work / f"{study}-{seed}.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def hold_out(found: Collection, job: Job, plan: Plan) -> tuple[Indices, Indices]:
    """Split positions by patient within each kind of patient: training, validation."""
    cells = [sample.cells for sample in found.samples]
    column = job.unlike.partition(":")[2] if job.unlike.startswith("column") else ""
    kind = {
        p: (c.get(column, ""), s.label)
        for p, c, s in zip(found.patients, cells, found.samples, strict=True)
    }
    rng = numpy_generator(plan.seed, "validation")
    chosen: set[str] = set()
    for one in sorted(set(kind.values())):
        group = [p for p in kind if kind[p] == one]
        n = round(len(group) * job.validation)
        chosen |= {group[i] for i in rng.permutation(len(group))[:n]}
    is_out = np.array([p in chosen for p in found.patients])
    return np.flatnonzero(~is_out), np.flatnonzero(is_out)


def partition(
    found: Collection, rest: Indices, spec: str, n: int | None, plan: Plan
) -> dict[str, Indices]:
    """Deal the training images out to hospitals."""
    rows = [found.samples[i].row for i in rest]
    table = Table(
        patients=[found.patients[i] for i in rest],
        cells=[found.samples[i].cells for i in rest],
        labels=[found.samples[i].label for i in rest],
        files=[Path(row.path) for row in rows],
        names=[row.name for row in rows],
        years=[row.year for row in rows],
        pseudonym=str,
    )
    parts = read_way(read_partition(spec, n)).parts(table, plan.seed)
    return {name: rest[part] for name, part in parts.items()}


def train(
    found: Collection, parts: Mapping[str, Indices], plan_file: Path, out: Path, validation: Indices
) -> dict[str, float]:
    """Run a study over some hospitals; give AUC and accuracy on the validation images."""
    study = create_study(out, plan_file)
    policy = Policy(min_images=1, min_cell=1)

    def data(part: Indices, plan: Plan) -> Any:
        return site_data(found, plan, part=part)

    sites = {
        name: Site(name, policy, torch.device("cpu"), partial(data, part), None)
        for name, part in parts.items()
    }
    started = time.process_time()
    run_study(study, sites)
    spent = time.process_time() - started
    model = build_model(study.plan)
    load_shared(model, load_file(out / "model.safetensors"))
    model = model.to(memory_format=torch.channels_last)
    plan = study.plan
    images = site_data(found, plan, part=validation).train
    logits, targets = score(model, images, plan, torch.device("cpu"))
    accuracy = float(((logits > 0) == (targets > 0.5)).double().mean())
    area = exact_auc(logits, targets, plan)
    return {"auc": float("nan") if area is None else area, "acc": accuracy, "cpu_s": spent}


def main(data: Path, work: Path, name: str, seeds: list[int]) -> None:
    """Train every column of one study."""
    job = STUDIES[name]
    work.mkdir(parents=True, exist_ok=True)
    folder = find_folder(job, data, work)
    site = SiteFile.model_validate({"site": "all", "data": job.data})
    for seed in seeds:
        plan_file = make_plan(job, work, name, seed)
        plan = load_plan(plan_file)
        found = collect(
            folder, work / "state" / name, site.data, plan, None, SOURCES.get(job.source)()
        )
        rest, validation = hold_out(found, job, plan)
        out = work / "runs" / f"{name}-{seed}-{time.time_ns()}"
        run = partial(train, found, plan_file=plan_file, validation=validation)
        like = partition(found, rest, "iid", job.n_sites, plan)
        n_unlike = None if job.unlike.startswith("column") else job.n_sites
        unlike = partition(found, rest, job.unlike, n_unlike, plan)
        row: dict[str, Any] = {
            "study": name,
            "seed": seed,
            "n": len(rest),
            "held_out": len(validation),
        }
        row["pooled"] = run({"all": rest}, out=out / "pooled")
        row["like"] = run(like, out=out / "like")
        row["unlike"] = run(unlike, out=out / "unlike")
        for column, parts in (("like", like), ("unlike", unlike)):
            if column not in job.alone:
                continue
            row[f"alone, {column}"] = {
                s: run({s: part}, out=out / column / s) | {"n": len(part)}
                for s, part in parts.items()
            }
        with (work / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        sys.argv[3],
        [int(s) for s in sys.argv[4:]] or [0, 1, 2],
    )
