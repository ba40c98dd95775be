"""A segmentation over virtual hospitals, from the masks in memory to the pages."""

import numpy as np
import pytest
import torch
import yaml
from tests.masks import PLAN, outlined

from medfl_client.config.site_file import Policy
from medfl_client.data.dataset import SiteData
from medfl_client.task.site import Site
from medfl_common.plan.plan import Plan
from medfl_common.run.events import Finished, RoundMade
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.reports.scores import ALL, score_sites
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.api import Run
from medfl_sim.engine.simulation import run_study
from medfl_sim.runs.baselines import run_baselines
from medfl_sim.runs.compare_masks import compare_masks
from medfl_sim.runs.compare_page import write_comparison
from medfl_sim.runs.directories import compare_header, compare_rows, facts_of
from medfl_sim.runs.page import write_runs


def hospital(name: str, seed: int, min_cell: int) -> Site:
    def data(plan: Plan) -> SiteData:
        parts = [outlined(12, 10 * seed + i) for i in range(3)]
        whose = {part: np.arange(12) for part in ("train", "validation", "test")}
        return SiteData(*parts, patients=whose)

    policy = Policy(min_cell=min_cell, min_images=5)
    return Site(name, policy, torch.device("cpu"), data, None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, dict[str, Site], list[str]]:
    folder = tmp_path_factory.mktemp("masks")
    values = yaml.safe_load(PLAN.replace("MODEL", "unet"))
    values["model"] |= {"width": 4, "levels": 2}
    values["training"] |= {"lr": 0.02, "epochs": 4}
    plan = folder / "plan.yaml"
    plan.write_text(yaml.safe_dump(values))
    study = create_study(folder / "study", plan)
    sites = {n: hospital(n, i, c) for i, (n, c) in enumerate({"north": 5, "south": 5}.items())}
    said: list[str] = []
    run_study(study, sites, said.append)
    return study, sites, said


def test_a_federation_learns_to_outline_and_says_so_in_dice(
    made: tuple[Study, dict[str, Site], list[str]],
) -> None:
    study, _, said = made
    first, last = study.log.read(RoundMade)[0], study.log.read(Finished)[-1]

    before, after = (score_sites(event)[ALL].values["dice"] for event in (first, last))

    assert before is not None
    assert after is not None
    assert after > before + 0.2
    assert last.choice is not None
    assert last.choice.why in ("best", "few_rounds")
    assert [line for line in said if "Dice" in line]
    assert not [line for line in said if "AUC" in line]
    told = [one.mask_counts for event in (first, last) for one in event.sites.values()]
    assert [one is not None and one.effects is not None for one in told] == [0, 0, 1, 1]
    rows = score_sites(last)
    assert rows[ALL].n == rows["north"].n + rows["south"].n == 24


def test_its_pages_and_the_comparison_with_each_alone_speak_of_dice(
    made: tuple[Study, dict[str, Site], list[str]],
) -> None:
    study, sites, _ = made
    run_baselines(study, sites)

    rows = compare_masks(study, sites)

    assert [row.name for row in rows] == ["north", "south", "all hospitals"]
    assert all(row.helped.value is not None for row in rows)
    page = write_comparison(study, rows).read_text()
    assert "Over all hospitals the Dice is" in page
    assert "AUC" not in page
    assert "has Dice" in write_report(study).read_text()
    assert write_model_card(study) is not None
    facts = [facts_of(study.folder)] * 2
    write_runs(study.folder / "runs.html", facts)
    side_by_side = (study.folder / "runs.html").read_text()
    assert "Dice, all hospitals (validation)" in side_by_side
    assert "AUC" not in side_by_side
    assert compare_header(facts)[2:5] == ["Dice", "NSD", "loss"]
    assert not {"n/a", "none shared"} & {*compare_rows(facts)[0][:5]}
    run = Run(study.folder)
    assert "dice" in run.scores["all sites"]
    assert len(run.curve()[0]) == 4
    assert "dice" in run._repr_html_()
