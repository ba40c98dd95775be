"""What a hospital does with a model: question it, and use it on files; nothing leaves."""

import csv
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from pydicom import dcmread
from safetensors.torch import load_file, save_file
from tests.conftest import MakePlan

from medfl_client.commands.explain import choose, explain
from medfl_client.commands.predict import predict
from medfl_client.config.site_file import load_site_file
from medfl_client.egress.approvals import approve
from medfl_client.model_use.kept_models import find_model
from medfl_client.model_use.out_of_distribution import Familiar
from medfl_client.model_use.out_of_distribution import words as in_words
from medfl_client.model_use.saliency import grad_cam
from medfl_client.task.handler import handle_task
from medfl_client.task.session import Session
from medfl_client.task.site import open_site
from medfl_common.errors import ConfigError
from medfl_common.models import build_model
from medfl_common.models.weights import shared_weights
from medfl_common.plan.plan import load_plan
from medfl_common.run.model_file import WEIGHTS, load_model
from medfl_common.ui.screen import Screen
from medfl_common.wire.tasks import TrainTask, encode_task

RUN = "ab" * 16


@pytest.fixture
def folder(hospitals: Path, make_plan: MakePlan) -> Path:
    """A site that has scored the final model of a study."""
    folder = hospitals / "site-1"
    plan = load_plan(make_plan(evaluation={"validation": 0.75}))  # 20 images choose something
    site = open_site(folder, load_site_file(folder))
    approve(folder / "state", plan)
    task = TrainTask("evaluate", RUN, 3, 0, "site-1", plan, shared_weights(build_model(plan)))
    reply = handle_task(encode_task(task), site, Session(), print)
    assert reply.metric_records["numbers"]["code"] == 0
    return folder


def test_the_model_that_was_scored_last_is_kept_with_its_calibration(folder: Path) -> None:
    plan, model, reading = load_model(find_model(folder, "last"))

    assert find_model(folder, RUN[:6]) == folder / "state" / "models" / RUN
    for name, tensor in shared_weights(build_model(plan)).items():
        assert torch.equal(tensor, model.state_dict()[name])
    scores = (find_model(folder, "last") / "scores.txt").read_text()
    assert f"validation images of this site: {reading.n_images}" in scores
    assert "macro avg" in scores
    assert reading.temperature is not None
    assert reading.n_images > 10
    with pytest.raises(ConfigError, match=r"kept: abababab"):
        find_model(folder, "ffff")


def test_files_become_lines_and_what_is_no_picture_of_the_plan_has_its_reason(
    folder: Path, tmp_path: Path
) -> None:
    files = tmp_path / "new"
    files.mkdir()
    for number, source in enumerate(sorted((folder / "dicom").rglob("*.dcm"))[:3]):
        image = dcmread(source)
        if number == 2:
            image.Modality = "MR"
        image.save_as(files / f"{number}.dcm")
    (files / "letter.txt").write_text("Dear colleague")
    shutil.copy(files / "0.dcm", files / "new\nline.dcm")
    shutil.copy(files / "0.dcm", os.fsencode(files) + b"/caf\xe9.dcm")
    nameless = dcmread(files / "0.dcm")
    nameless.PatientID = ""
    nameless.save_as(files / "nameless.dcm")
    (files / "linked").symlink_to(folder, target_is_directory=True)

    predict(folder, "last", [files], tmp_path / "p.csv", Screen())

    with (tmp_path / "p.csv").open(newline="") as file:
        rows = {Path(row["file"]).name: row for row in csv.DictReader(file)}
    assert len(rows) == 8
    assert "not UTF-8" in rows["caf\\udce9.dcm"]["remark"]
    assert "links are not followed" in rows["linked"]["remark"]
    for name in ("0.dcm", "1.dcm", "new\nline.dcm", "nameless.dcm"):
        plain, calibrated = (
            float(rows[name][f"{k} opacity"]) for k in ("probability", "calibrated")
        )
        assert 0 <= plain <= 1
        assert (plain - 0.5) * (calibrated - 0.5) >= 0
        assert rows[name]["called"] == ("opacity" if plain >= 0.5 else "normal")
    assert "modality MR" in rows["2.dcm"]["remark"]
    assert rows["letter.txt"]["remark"]


def test_the_csv_ranks_images_as_the_logits_do_and_calls_at_each_threshold_of_the_model(
    folder: Path, tmp_path: Path
) -> None:
    model = _with_close_scores(find_model(folder, "last"), tmp_path / "close")
    plan, _, reading = load_model(model)

    predict(folder, str(model), [folder / "dicom"], tmp_path / "p.csv", Screen())

    rows = _scored(tmp_path / "p.csv")
    found = [float(row["probability opacity"]) for row in rows]
    logits = [float(row["log-odds opacity"]) for row in rows]
    assert len({f"{p:.4f}" for p in found}) < len(set(found)) // 4  # they tie at 4 decimals
    assert len(set(found)) == len(set(logits))
    assert [float(np.float32(x)) for x in logits] == logits  # no digit of float32 is lost
    truth = [int(x > np.median(logits)) ^ (i % 3 == 0) for i, x in enumerate(logits)]
    from sklearn.metrics import roc_auc_score  # a second to import

    assert roc_auc_score(truth, found) == roc_auc_score(truth, logits)
    for row, chance in zip(rows, found, strict=True):
        assert row["called at Youden"] == plan.task.classes[chance >= reading.youden]
        assert "validation images of 1 hospital" in row["promise of Youden"]
        assert row["promise of the threshold"].startswith("at 0.5: sensitivity ")
        assert row["looks usual"] == "cannot tell"  # 20 images
    assert reading.rates["youden"]["sensitivity"] is not None


def _with_close_scores(model: Path, folder: Path) -> Path:
    """Copy a model with logits so close that few of their probabilities differ in 4 decimals."""
    shutil.copytree(model, folder)
    weights = load_file(folder / WEIGHTS)
    for name in [name for name in weights if name.startswith("head")]:
        weights[name] = weights[name] * 1e-4
    save_file(weights, folder / WEIGHTS)
    return folder


def _scored(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["called"]]


def test_a_picture_far_from_all_others_does_not_look_usual() -> None:
    usual = Familiar(np.zeros(2), np.eye(2), np.array([0.5, 1.0, 2.0, 4.0]))

    ranks = usual.rank(np.array([[0.0, 0.0], [1.2, 0.0], [9.0, 9.0]]))

    assert ranks.tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(("n", "words"), [(20, "cannot tell"), (98, "cannot tell"), (99, "no")])
def test_of_few_images_nobody_can_tell_whether_the_farthest_is_unusual(n: int, words: str) -> None:
    usual = Familiar(np.zeros(2), np.eye(2), np.linspace(0, 1, n))

    (rank,) = usual.rank(np.array([[9.0, 9.0]]))

    assert rank == 1
    assert in_words(usual, rank) == words
    assert in_words(usual, 0.5) == ("yes" if words == "no" else words)


def test_the_page_shows_right_wrong_and_uncertain_and_no_name(folder: Path) -> None:
    path = explain(folder, RUN, 9, Screen())

    page = path.read_text()
    assert page.count("<img") == 9
    assert "Uncertain, right or wrong, least confident first" in page
    said = re.search(r"on this page (\d+) (?:is|are) misclassified", page)
    assert said is not None
    assert page.count('alt="WRONG: ') == int(said[1])
    assert "SYN-1" not in page


def test_of_three_cases_one_is_wrong_one_uncertain_and_one_right(make_plan: MakePlan) -> None:
    plan = load_plan(make_plan())
    logits = torch.tensor([[5.0], [-4.0], [0.1], [3.0]])
    truth = torch.tensor([[1.0], [1.0], [0.0], [1.0]])

    cases = choose(logits, truth, plan, 3)

    assert [(c.position, c.kind) for c in cases] == [(1, "wrong"), (2, "uncertain"), (0, "right")]
    assert [case.is_wrong for case in cases] == [True, True, False]  # the uncertain one too
    assert cases[0].is_absent
    assert (cases[0].truth, cases[0].called) == ("opacity", "normal")


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("resnet18", {"size": 32}),
        ("vit_tiny_16", {"size": 32}),
        ("small_cnn", {"size": 16, "depth": 12, "dimensions": 3, "sample": "series"}),
        ("resnet18", {"size": 32, "depth": 5, "dimensions": 3, "sample": "series"}),
    ],
)
def test_every_kind_of_network_says_where_it_looked(
    name: str, images: dict[str, object], make_plan: MakePlan
) -> None:
    by_slices = {"slices": "max"} if name == "resnet18" and "depth" in images else {}
    model = {"name": name, "norm": "own", "freeze": "all", **by_slices}
    plan = load_plan(make_plan(images=images, model=model))
    pixels = torch.randn(2, 1, *plan.images.shape[1:])

    places = grad_cam(build_model(plan), pixels, 0)

    assert places.shape == (2, *plan.images.shape[1:])
    assert float(places.max()) <= 1.0
