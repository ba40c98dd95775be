"""The AUC that sites add up against the exact one of all predictions, on real images."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file
from tests.conftest import SHARED

from medfl_client.config.site_file import SiteFile
from medfl_client.training.evaluate import count_scores, score
from medfl_common.metrics.counts import merge
from medfl_common.metrics.curves import auc_with_bound, average_precision_with_bound
from medfl_common.models import build_model
from medfl_common.models.weights import load_shared
from medfl_common.plan.settings import check
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import partitioned
from medfl_sim.data.sources import SOURCES
from medfl_sim.engine.simulation import run_study

ARCHIVE = SHARED / "medmnist" / "pneumoniamnist_trainval.npz"
PLAN = """\
plan: 1
study: pneumonia
seed: 0
task: {type: binary, classes: ["0", "1"]}
images: {modality: [OT], size: 28}
model: {name: small_cnn, norm: none}
training: {lr: 0.02, batch_size: 32}
federation: {rounds: 3}
evaluation: {validation: 0.2, keep: last}
"""


@pytest.mark.slow
def test_the_added_up_auc_of_pneumoniamnist_is_the_exact_one_within_two_thousandths(
    tmp_path: Path,
) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    if not ARCHIVE.exists():
        pytest.skip("PneumoniaMNIST is not on this machine (../shared/data/medmnist)")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / ARCHIVE.name).write_bytes(ARCHIVE.read_bytes())
    site = {"site": "all", "data": {"folder": ".", "labels_from": "file"}}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    check(SiteFile, site, "the test")
    (tmp_path / "plan.yaml").write_text(PLAN)
    study = create_study(tmp_path / "run", tmp_path / "plan.yaml")
    sites = virtual_sites(
        folder,
        study.plan,
        partitioned("iid", 5),
        tmp_path / "site.yaml",
        None,
        SOURCES.get("npz")(),
    )

    run_study(study, sites)

    model = build_model(study.plan)
    load_shared(model, load_file(study.folder / "model.safetensors"))
    odds, truth, score_counts = [], [], []
    for one in sites.values():
        validation = one.data(study.plan).validation
        logits, targets = score(model, validation, study.plan, one.device)
        odds.append(logits.numpy()[:, 0])
        truth.append(targets.numpy()[:, 0])
        score_counts.append(count_scores(logits, targets, study.plan))
    whole = merge(score_counts)
    exact = roc_auc_score(np.concatenate(truth), np.concatenate(odds))
    binned, bound = auc_with_bound(whole.positive[0], whole.negative[0]) or (0.0, 0.0)
    precision, reach = average_precision_with_bound(whole.positive[0], whole.negative[0]) or (0, 0)
    assert whole.n > 900
    assert exact > 0.95
    assert abs(binned - exact) <= min(bound, 0.002)
    exact_precision = average_precision_score(np.concatenate(truth), np.concatenate(odds))
    assert abs(precision - exact_precision) <= min(reach, 0.002)
