"""A detection over virtual hospitals with more and fewer boxes, and its baselines."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.squares import PLAN, squares

from medfl_client.config.site_file import Policy
from medfl_client.data.dataset import SiteData
from medfl_client.task.site import Site
from medfl_common.plan.plan import Plan
from medfl_server.study.run_directory import create_study
from medfl_sim.engine.simulation import run_study
from medfl_sim.runs.baselines import run_baselines
from medfl_sim.runs.compare_boxes import compare_boxes
from medfl_sim.runs.compare_page import write_comparison
from medfl_sim.runs.directories import compare_header, compare_rows, facts_of
from medfl_sim.runs.page import write_runs


def hospital(name: str, seed: int, most: int) -> Site:
    def data(plan: Plan) -> SiteData:
        parts = [squares(12, 32, 32, seed=10 * seed + i, most=most) for i in range(3)]
        whose = {part: np.arange(12) for part in ("train", "validation", "test")}
        return SiteData(*parts, patients=whose)

    return Site(name, Policy(min_cell=1, min_images=5), torch.device("cpu"), data, None)


@pytest.mark.slow
def test_hospitals_with_more_and_fewer_boxes_are_pooled_and_all_pages_speak_of_froc(
    tmp_path: Path,
) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    study = create_study(tmp_path / "study", tmp_path / "plan.yaml")
    sites = {"north": hospital("north", 1, 3), "south": hospital("south", 2, 1)}

    run_study(study, sites)
    run_baselines(study, sites)
    rows = compare_boxes(study, sites)

    assert [row.name for row in rows] == ["north", "south", "all hospitals"]
    facts = [facts_of(study.folder)] * 2
    write_runs(tmp_path / "runs.html", facts)
    pages = write_comparison(study, rows).read_text(), (tmp_path / "runs.html").read_text()
    assert "Over all hospitals the FROC is" in pages[0]
    assert "FROC, all hospitals (validation)" in pages[1]
    assert not [page for page in pages if "AUC" in page]
    assert compare_header(facts)[2:5] == ["FROC", "AP50", "loss"]
    assert not {"n/a", "none shared"} & {*compare_rows(facts)[0][:5]}
