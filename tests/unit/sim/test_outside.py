"""A hospital that only scores: it trains nothing, all its patients score the result, once."""

from pathlib import Path

import pytest
import yaml
from tests.conftest import MakePlan

from medfl_client.config.site_file import Policy
from medfl_client.egress.guard import permit
from medfl_common.errors import DisclosureError
from medfl_common.plan.plan import load_plan
from medfl_common.run.events import Finished, RoundMade, ScoredOnTest, ScoredOutside
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.study.run_directory import Study, create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study
from medfl_sim.runs.frame import lines_of


def with_policy(site: Path, **policy: object) -> None:
    values = yaml.safe_load((site / "site.yaml").read_text())
    values["policy"] = {**values.get("policy", {}), **policy}
    (site / "site.yaml").write_text(yaml.safe_dump(values))


def run(folder: Path, plan: Path, hospitals: Path) -> Study:
    study = create_study(folder, plan)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study


def test_an_outside_hospital_changes_no_weight_and_scores_the_result_on_all_its_patients(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 2})
    (hospitals / "site-3").rename(tmp_path / "site-3")
    without = run(tmp_path / "without", plan, hospitals)
    (tmp_path / "site-3").rename(hospitals / "site-3")
    with_policy(hospitals / "site-3", role="evaluate", min_cell=1)

    study = run(tmp_path / "with", plan, hospitals)

    (outside,) = study.log.read(ScoredOutside)
    (finished,), (before,) = study.log.read(Finished), without.log.read(Finished)
    site = virtual_sites(hospitals, study.plan)["site-3"]
    data = site.data(study.plan)
    assert (len(data.train), len(data.validation)) == (0, 0)
    assert outside.sites["site-3"].n_scored == len(data.test) > 0
    assert outside.sha256 == finished.sha256 == before.sha256
    for event in [*study.log.read(RoundMade), *study.log.read(ScoredOnTest), finished]:
        assert [*event.sites] == ["site-1", "site-2"]


def test_report_and_card_keep_its_scores_apart(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    with_policy(hospitals / "site-3", role="evaluate", min_cell=1)
    study = run(
        tmp_path / "study",
        make_plan(federation={"rounds": 2}, evaluation={"outside": "rounds"}),
        hospitals,
    )

    card = write_model_card(study)

    assert card is not None
    text = card.read_text()
    outside = text[text.index("## At hospitals outside the study") :]
    assert "The intervals count patients of" in outside
    n = study.log.read(ScoredOutside)[-1].sites["site-3"].n_scored
    assert f"| site C | {n} |" in outside
    assert "site C" not in text[text.index("## Scores") : text.index("## At hospitals outside")]
    assert "At hospitals outside the study" in write_report(study).read_text()
    assert {event.round for event in study.log.read(ScoredOutside)} == {1, 2}
    lines = [line for line in lines_of(study) if line.site == "site-3"]
    assert {(line.part, line.round, line.n) for line in lines} == {
        ("outside", r, n) for r in (1, 2)
    }


def test_the_site_itself_refuses_to_train(make_plan: MakePlan) -> None:
    plan, policy = load_plan(make_plan()), Policy(role="evaluate")

    permit(plan, policy, "test")
    for kind in ("train", "evaluate"):
        with pytest.raises(DisclosureError, match=r"policy P17, role"):
            permit(plan, policy, kind)  # type: ignore[arg-type]
