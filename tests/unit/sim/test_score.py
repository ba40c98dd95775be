"""A trained model on another data set: figures, thresholds and predictions."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakePlan
from typer.testing import CliRunner

from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.plan.plan import load_plan
from medfl_common.run.model_file import Reading, ToldFeatures, load_model, save_model
from medfl_server.study.run_directory import create_study
from medfl_sim.cli import app
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.runs.further import Further
from medfl_sim.runs.job import Job, do
from medfl_sim.runs.score import score_data
from medfl_sim.runs.score_page import write_score

TOLD = ToldFeatures([50.0] + [0.0] * 152, 2, 3)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Give every file of a folder with its size and time."""
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def test_the_figures_are_those_of_the_predictions_and_nothing_is_written_into_the_data(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score  # a second to import

    outside = (hospitals / "site-3").rename(tmp_path / "outside")
    study = create_study(tmp_path / "run", make_plan(evaluation={"validation": 0.5}))
    run_study(study, virtual_sites(hospitals, study.plan))
    before = tree(outside)

    said = CliRunner().invoke(
        app, ["score", str(study.folder), "--data", str(outside), "--out", str(tmp_path / "out")]
    )

    assert said.exit_code == 0, said.output
    assert tree(outside) == before
    found = json.loads((tmp_path / "out" / "score.json").read_text())
    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["remark"]]
    truth = np.array([row["label"] == "opacity" for row in rows])
    plain = np.array([float(row["probability opacity"]) for row in rows])
    calibrated = np.array([float(row["calibrated opacity"]) for row in rows])
    assert len(rows) == found["n_images"] == 40
    auc = found["scores"]["auc"]
    assert auc["value"] == pytest.approx(roc_auc_score(truth, plain))
    assert auc["low"] <= auc["value"] <= auc["high"]
    for name, chances in (("before", plain), ("after", calibrated)):
        assert found["calibration"]["loss"][name]["value"] == pytest.approx(
            log_loss(truth, chances), abs=1e-5
        )
        assert found["calibration"]["brier"][name]["value"] == pytest.approx(
            brier_score_loss(truth, chances), abs=0.01
        )
    _, _, reading = load_model(study.folder)
    assert [one["threshold"] for one in found["thresholds"]][:2] == [0.5, reading.youden]
    for one in found["thresholds"]:
        hits = sum(t and p >= one["threshold"] for t, p in zip(truth, plain, strict=True))
        quiet = sum(not t and p < one["threshold"] for t, p in zip(truth, plain, strict=True))
        assert one["sensitivity"]["value"] == pytest.approx(hits / truth.sum())
        assert one["specificity"]["value"] == pytest.approx(quiet / (~truth).sum())
    assert "the study: at 0.5" in said.output.replace("\n", " ")
    assert "was chosen on these data" in (tmp_path / "out" / "score.html").read_text()


def test_forty_images_of_two_patients_have_a_score_and_no_interval(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    outside = (hospitals / "site-3").rename(tmp_path / "outside")
    with (outside / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (outside / "labels.csv").open("w", newline="") as file:
        lines = csv.DictWriter(file, [*rows[0], "who"])
        lines.writeheader()
        lines.writerows([{**row, "who": f"patient {i % 2}"} for i, row in enumerate(rows)])
    own = (outside / "site.yaml").read_text()
    (outside / "site.yaml").write_text(
        own.replace("  labels: ", "  patient_column: who\n  labels: ", 1)
    )
    study = create_study(tmp_path / "run", make_plan(federation={"rounds": 1}))
    run_study(study, virtual_sites(hospitals, study.plan))

    scored = score_data(study.folder, outside, tmp_path / "out")
    page = write_score(tmp_path / "out", scored).read_text()

    area = scored.scores["auc"]
    assert (area.value, scored.n_patients) != (None, 40)
    assert (area.low, area.independent, area.n_patients) == (None, "too few", 2)
    assert "On 40 images of 2 patients" in page
    assert "(2 patients: no interval)" in page
    assert all(one.sensitivity.low is None for one in scored.thresholds)


def test_archives_of_three_classes_are_scored_image_by_image(
    make_plan: MakePlan, tmp_path: Path
) -> None:
    from sklearn.metrics import log_loss, roc_auc_score  # a second to import

    rng, data = np.random.default_rng(0), tmp_path / "data"
    labels = rng.integers(0, 3, (90, 1))
    pixels = rng.integers(0, 80, (90, 24, 24)) + labels[:, :, None] * 60
    data.mkdir()
    np.savez(data / "a.npz", train_images=pixels.astype(np.uint8), train_labels=labels)
    (data / "site.yaml").write_text(
        "site: archive\ndata: {folder: ., labels_from: file, values: {'0': a, '1': b, '2': c}}\n"
        "policy: {min_images: 1, min_cell: 1}\n"
    )
    plan_file = make_plan(
        task={"type": "multiclass", "classes": ["a", "b", "c"]},
        images={"modality": ["OT"]},
        federation={"rounds": 2},
        evaluation={"validation": 0.5},
    )
    study = do(Job(plan_file, data, source="npz", further=Further()), tmp_path / "run")

    scored = score_data(study.folder, data, tmp_path / "out", source="npz")

    with (tmp_path / "out" / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["remark"]]
    assert {row["file"] for row in rows} == {f"a.npz#train/{i:06d}" for i in range(90)}
    assert [row["label"] for row in rows] == [
        "abc"[labels[int(row["file"][-6:]), 0]] for row in rows
    ]
    truth = np.array(["abc".index(row["label"]) for row in rows])
    chances, calibrated = (
        np.array([[float(row[f"{kind} {name}"]) for name in "abc"] for row in rows])
        for kind in ("probability", "calibrated")
    )
    area = roc_auc_score(truth, chances, multi_class="ovr", average="macro")
    assert scored.scores["auc"].value == pytest.approx(area)
    assert calibrated.sum(axis=1) == pytest.approx(1)
    _, after = scored.calibration["loss"]
    assert after is not None
    assert after.value == pytest.approx(log_loss(truth, calibrated), abs=1e-5)
    with pytest.raises(ConfigError, match="lies in the data folder"):
        score_data(study.folder, data, data / "out", source="npz")
    assert not (data / "out").exists()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "its text"), ("[]", "its text"), ("{}", "threshold"), ('{"threshold": "x"}', "thres"),
        ('{"threshold": 0.5, "features": {"sites": 1}}', "features"),
        ('{"threshold": 0.5, "features": {"numbers": [1], "sites": 1, "of_sites": 1}}', "feat"),
    ],
)  # fmt: skip
def test_a_reading_that_medfl_did_not_write_is_named(
    text: str, wrong: str, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = load_plan(make_plan())
    save_model(tmp_path, plan, build_model(plan).state_dict(), Reading(0.5, features=TOLD))
    assert load_model(tmp_path)[2].features == TOLD
    (tmp_path / "reading.json").write_text(text)

    with pytest.raises(ConfigError, match=rf"reading\.json does not say .*: {wrong}"):
        load_model(tmp_path)
