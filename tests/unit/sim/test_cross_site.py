"""Every model at every hospital."""

import json
import re
from pathlib import Path

import pytest
import torch
from tests.conftest import MakePlan

from medfl_common.errors import ConfigError
from medfl_common.metrics.estimates import Estimate
from medfl_common.run.model_file import load_model
from medfl_common.ui.page import Section, Table, render
from medfl_server.reports.sections.numbers import number
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.runs.baselines import alone_folder, pooled_folder
from medfl_sim.runs.compare import read_comparison
from medfl_sim.runs.cross_site import ModelRow
from medfl_sim.runs.further import Further
from medfl_sim.runs.job import Job, do

ASKED = Further(cross_site=True)


def test_each_cell_is_the_auc_of_one_model_on_one_hospitals_test_images(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    from sklearn.metrics import roc_auc_score  # a second to import

    plan_file = make_plan(federation={"rounds": 1}, evaluation={"test": 0.5, "validation": 0.2})

    study = do(Job(plan_file, hospitals, further=ASKED), tmp_path / "run")

    found = json.loads(study.files.cross_site.read_text())
    assert found["part"] == "test"
    sites = virtual_sites(hospitals, study.plan)
    assert [row["trained_at"] or row["kind"] for row in found["rows"]] == [
        *sites, "federated", "pooled",
    ]  # fmt: skip
    folders = [alone_folder(study, name) for name in sites] + [study.folder, pooled_folder(study)]
    text = study.files.cross_site_page.read_text()
    for row, folder in zip(found["rows"], folders, strict=True):
        _, model, _ = load_model(folder)
        for name, site in sites.items():
            test, cell = site.data(study.plan).test, row["auc"][name]
            ((pixels, targets),) = test.batches(torch.arange(len(test)), len(test))
            area = roc_auc_score(targets[:, 0], model(pixels).detach()[:, 0])
            assert cell["n"] == len(test)
            assert cell["value"] == pytest.approx(area, abs=cell["bound"] + 1e-9)
            assert (cell["low"], cell["independent"]) == (None, "too few")
            assert cell["n_patients"] < 10 < cell["n"]  # several images of each
            assert f">{number(cell['value'], cell['n'], cell['bound'])} (" in text
    compared = {row.name: row.auc for row in read_comparison(study.folder)}
    for name in sites:
        alone = next(row for row in found["rows"] if row["trained_at"] == name)
        assert alone["auc"][name]["value"] == pytest.approx(compared[name]["alone"])


def test_cross_site_needs_the_baselines_and_two_hospitals(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan_file = make_plan()
    with pytest.raises(ConfigError, match="leave out --no-baselines"):
        do(
            Job(plan_file, hospitals, baselines=False, further=ASKED),
            tmp_path / "a",
        )
    with pytest.raises(ConfigError, match="cross-site takes two hospitals or more; there is 1"):
        do(Job(plan_file, hospitals / "site-1", further=ASKED), tmp_path / "b")


def test_the_mean_of_a_hospitals_own_model_leaves_out_its_home() -> None:
    auc = {"a": Estimate(1.0), "b": Estimate(0.6), "c": Estimate(0.7), "d": Estimate(None)}

    assert ModelRow("alone", "a", auc).mean == pytest.approx(0.65)
    assert ModelRow("federated", "", auc).mean == pytest.approx(2.3 / 3)


def test_a_shaded_cell_shows_its_number_and_its_shade_and_others_none() -> None:
    table = Table(
        ["model", "at a"], [["x", "0.75"], ["y", "n/a"]], shades=[[None, 0.5], [None] * 2]
    )

    page = render("t", "q", "a", [Section("s", tables=[table])], "0")

    assert re.findall(r"<td style=\"([^\"]*)\">([^<]*)<", page) == [
        ("background: rgb(var(--shade) / 0.20)", "0.75")
    ]
    assert "<td>n/a</td>" in page


def test_a_hospital_that_only_scores_has_a_column_and_no_model(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    site_file = hospitals / "site-3" / "site.yaml"
    site_file.write_text(site_file.read_text().replace("min_cell: 1", "role: evaluate"))

    study = do(Job(make_plan(federation={"rounds": 1}), hospitals, further=ASKED), tmp_path / "run")

    found = json.loads(study.files.cross_site.read_text())
    assert [row["trained_at"] or row["kind"] for row in found["rows"]] == [
        "site-1", "site-2", "federated", "pooled",
    ]  # fmt: skip
    assert [*found["rows"][0]["auc"]] == ["site-1", "site-2", "site-3"]
    assert found["rows"][0]["auc"]["site-3"]["n"] == 40
