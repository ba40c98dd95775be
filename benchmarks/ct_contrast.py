"""Contrast agent in lung CT over five real hospitals: together, alone, and a linear probe.

    ct_contrast.py CT_FOLDER WORK_FOLDER [SEED...]

CT_FOLDER holds dicom/ and labels.csv (docs/tutorials/ct-contrast.md). For every seed (split, start
weights, orders) each model is scored on the validation patients of all five hospitals together.
"""

import statistics
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medfl_client.data.dataset import ImageSet, SiteData
from medfl_client.task.session import Session
from medfl_client.task.site import Site
from medfl_client.training.local_round import work
from medfl_common.metrics.counts import ScoreCounts, auc, merge
from medfl_common.models.weights import Weights
from medfl_common.plan.plan import Plan
from medfl_common.run.checkpoint import load_newest
from medfl_common.wire.tasks import TrainTask
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import partitioned
from medfl_sim.engine.simulation import run_study

CONFIGS = Path(__file__).parents[1] / "configs"


def train(plan_file: Path, sites: dict[str, Site], out: Path) -> Weights:
    """Run the study over some of the hospitals; give the final weights."""
    study = create_study(out, plan_file)
    run_study(study, sites)
    checkpoint, _ = load_newest(study.checkpoints)
    assert checkpoint is not None
    return checkpoint.weights


def score(plan: Plan, weights: Weights, data: dict[str, SiteData]) -> float | None:
    """AUC on the validation images of these hospitals together."""
    model = Session().model_for(plan, torch.device("cpu"))
    score_counts: list[ScoreCounts] = []
    for name, one in data.items():
        task = TrainTask("evaluate", "0" * 32, 1, 0, name, plan, weights)
        found = work(task, model, one, torch.device("cpu")).score_counts
        score_counts += [found] if found is not None else []
    return auc(merge(score_counts)) if score_counts else None


def probe(data: dict[str, SiteData]) -> float:
    """AUC of a logistic regression on grey-value histograms, trained on all hospitals' images."""

    def table(sets: list[ImageSet]) -> tuple[np.ndarray, np.ndarray]:
        pixels = np.concatenate([s.pixels[s.rows].reshape(len(s), s.pixels[0].size) for s in sets])
        rows = [np.histogram(p, bins=32, range=(0, 256))[0] / p.size for p in pixels]
        return np.array(rows), np.concatenate([s.targets[:, 0].numpy() for s in sets])

    x, y = table([d.train for d in data.values()])
    test_x, test_y = table([d.validation for d in data.values()])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, C=0.1)).fit(x, y)
    return float(roc_auc_score(test_y, model.decision_function(test_x)))


def main(ct: Path, out: Path, seeds: list[int]) -> None:
    """Print one line per seed and the means."""
    found: dict[str, list[float]] = {}
    site_file = CONFIGS / "ct-contrast.site.yaml"
    for seed in seeds:
        plan_file = out / f"seed-{seed}.yaml"
        text = (CONFIGS / "ct-contrast.yaml").read_text()
        plan_file.write_text(text.replace("seed: 0", f"seed: {seed}"))
        study = create_study(out / f"plan-{seed}", plan_file)
        sites = virtual_sites(ct, study.plan, partitioned("column:tss_hospital"), site_file)
        data = {name: site.data(study.plan) for name, site in sites.items()}
        n = sum(len(d.validation) for d in data.values())
        row = {
            "five together": score(study.plan, train(plan_file, sites, out / f"all-{seed}"), data)
        }
        for name, site in sites.items():
            alone = train(plan_file, {name: replace(site)}, out / f"{name}-{seed}")
            row[f"{name} alone ({len(data[name].train)} images)"] = score(study.plan, alone, data)
        row["linear probe, pooled"] = probe(data)
        for name, value in row.items():
            found.setdefault(name.split(" (")[0], []).append(value or float("nan"))
        shown = ", ".join(f"{name} {value:.3f}" for name, value in row.items() if value is not None)
        print(f"seed {seed}, {n} validation images: {shown}", flush=True)
    for name, values in found.items():
        print(f"{name}: mean {statistics.mean(values):.3f}, {min(values):.3f} to {max(values):.3f}")


if __name__ == "__main__":
    work_folder = Path(sys.argv[2])
    work_folder.mkdir(parents=True, exist_ok=True)
    main(Path(sys.argv[1]), work_folder, [int(seed) for seed in sys.argv[3:]] or [0, 1, 2, 3, 4])
