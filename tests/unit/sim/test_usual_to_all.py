"""What looks usual to a federation: its sites' features, held against those of another hospital."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydicom import dcmread
from tests.conftest import PLAN, MakePlan

from medfl_client.commands.predict import predict
from medfl_client.config.site_file import load_site_file
from medfl_client.data.ingest import collect
from medfl_client.data.site_data import own_data
from medfl_client.model_use.out_of_distribution import learn_usual
from medfl_client.training.evaluate import features_of
from medfl_common.metrics.feature_moments import along_directions
from medfl_common.plan.plan import load_plan
from medfl_common.run.events import Finished
from medfl_common.run.model_file import load_model
from medfl_common.ui.screen import Screen
from medfl_server.export.model import export
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.radiograph import write_hospital, write_hospitals
from medfl_sim.engine.simulation import run_study

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A federation of three hospitals, of which one keeps its features back."""
    folder = tmp_path_factory.mktemp("federation")
    homes = write_hospitals(folder / "hospitals", n_sites=3, n_images=90, seed=1)
    for home in homes:
        share = "false" if home.name == "site-3" else "true"
        with (home / "site.yaml").open("a") as file:
            file.write(f"policy: {{min_images: 5, min_cell: 5, share_features: {share}}}\n")
    plan = yaml.safe_load(PLAN)
    plan["evaluation"] = {"validation": 0.7, "test": 0.0, "feature_statistics": True}
    plan["federation"]["rounds"] = 2
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    made = create_study(folder / "run", folder / "plan.yaml")
    run_study(made, virtual_sites(folder / "hospitals", made.plan))
    return made


def looks(folder: Path, model: Path, out: Path) -> list[str]:
    predict(folder, str(model), [folder / "dicom"], out, Screen())
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["compared with"] for row in rows} == {"the federation's images"}
    return [row["looks usual"] for row in rows]


def invert(folder: Path) -> None:
    for path in (folder / "dicom").rglob("*.dcm"):
        image = dcmread(path)
        image.PixelData = (image.pixel_array.max() - image.pixel_array).tobytes()
        image.save_as(path)


def test_a_hospital_whose_images_are_all_shifted_is_told_though_they_are_alike(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    like, shifted = tmp_path / "like", tmp_path / "shifted"
    for home, n in ((like, 60), (shifted, 150)):
        write_hospital(home, 1, n, seed=7)
    invert(shifted)

    usual = looks(like, study.folder, tmp_path / "like.csv")
    unusual = looks(shifted, study.folder, tmp_path / "shifted.csv")

    plan, model, reading = load_model(study.folder)
    state, site = shifted / "state", load_site_file(shifted)
    own = own_data(state, site, collect(shifted, state, site.data, plan, Screen().watch), plan)
    alone = learn_usual(model, own.train, own.validation, plan, CPU)
    assert alone is not None
    among_themselves = alone.rank(features_of(model, own.train, plan, CPU))
    assert (among_themselves >= 0.99).mean() < 0.1  # its own images tell nothing
    assert usual.count("no") <= 0.1 * len(usual)
    assert unusual.count("no") >= 0.9 * len(unusual)
    assert reading.features is not None
    said = " ".join(capsys.readouterr().out.split())
    n = int(reading.features.numbers[0])
    assert f"compared with {n} validation images of 2 of 3 hospitals" in said


def test_the_moments_are_those_of_all_images_in_one_place_and_the_export_says_of_which(
    study: Study, tmp_path: Path
) -> None:
    plan, model, reading = load_model(study.folder)
    sites = virtual_sites(study.folder.parent / "hospitals", plan)
    validation = [sites[name].data(plan).validation for name in ("site-1", "site-2")]
    seen = along_directions(
        np.concatenate([features_of(model, images, plan, CPU) for images in validation])
    )

    told = reading.features

    assert told is not None
    assert (told.sites, told.of_sites) == (2, 3)
    assert told.numbers[0] == len(seen)
    assert told.numbers[1:17] == pytest.approx(seen.mean(axis=0), rel=1e-3, abs=1e-4)
    upper = np.cov(seen.T, bias=True)[np.triu_indices(16)]
    assert told.numbers[17:] == pytest.approx(upper, rel=1e-3, abs=1e-3 * upper.max())
    assert study.log.read(Finished)[-1].sites["site-3"].features is None
    said = export(study.folder, tmp_path / "out", onnx=False, pt2=False)
    assert any("of 2 of 3 hospitals" in line for line in said)
    assert load_model(tmp_path / "out")[2].features == told


def test_a_plan_without_the_key_has_its_hash_and_no_features_leave(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    without = create_study(tmp_path / "run", make_plan(federation={"rounds": 1}))
    run_study(without, virtual_sites(hospitals, without.plan))
    off = load_plan(make_plan("off.yaml", federation={"rounds": 1},
                              evaluation={"feature_statistics": False}))  # fmt: skip

    assert off.hash() == without.plan.hash()
    assert all(one.features is None for one in without.log.read(Finished)[-1].sites.values())
    assert load_model(without.folder)[2].features is None
