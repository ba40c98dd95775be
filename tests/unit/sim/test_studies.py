"""The studies of configs/ on phantoms of their kind, whole and short."""

from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT

from medfl_common.run.paper_folder import PaperFolder
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.paper.paper import write_paper
from medfl_server.reports.report import write_report
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.phantoms import KINDS
from medfl_sim.engine.simulation import run_study

CONFIGS = ROOT / "configs"


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ("mammography", "mammography"),
        ("retinopathy", "fundus"),
        ("lung-nodules", "lung-ct"),
        ("lung-fields", "lung-fields"),
        ("chest-nodules", "chest-nodules"),
        pytest.param("organ-ct", "organ-ct", marks=pytest.mark.slow),  # volumes
        pytest.param("lesion-ct", "lesion-ct", marks=pytest.mark.slow),  # volumes
        pytest.param("neurodegeneration", "brain-mr", marks=pytest.mark.slow),  # volumes
    ],
)
def test_each_study_runs_on_its_phantoms_to_a_report_and_a_card(
    config: str, kind: str, tmp_path: Path
) -> None:
    values = yaml.safe_load((CONFIGS / f"{config}.yaml").read_text())
    values["federation"] |= {"rounds": 1, "statistics": False}
    values["training"]["epochs"] = 1
    values["evaluation"]["validation"] = 0.5
    values["images"]["size"] = min(values["images"]["size"], 48)
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump(values))
    KINDS.get(kind)(tmp_path / "hospitals", 2, 30, 0)

    study = create_study(tmp_path / "run", plan)
    run_study(study, virtual_sites(tmp_path / "hospitals", study.plan))

    (finished,) = study.log.lines("finished")
    assert set(finished["sites"]) == {"site-1", "site-2"}
    assert write_report(study).exists()
    card = write_model_card(study)
    assert card is not None
    assert "".join(values["task"]["classes"][-1]) in card.read_text()
    if study.plan.task.is_dense:
        name = "dice-1" if study.plan.task.has_masks else "froc-1"
        folder = PaperFolder(write_paper(study).readme.parent)
        assert folder.figure(name, "pdf").exists()
        assert "site A" in folder.numbers.read_text()
