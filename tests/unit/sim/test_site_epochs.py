"""A hospital's own epochs change its own training, in the simulation as in a study."""

from pathlib import Path

from tests.conftest import MakePlan

from medfl_client.config.site_file import load_site_file
from medfl_client.task.site import open_site
from medfl_common.run.events import RoundMade
from medfl_common.run.site_reply import SiteReply
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study

RANGE = {"epochs": 1, "epochs_range": [1, 4]}


def first_round(folder: Path, plan: Path, hospitals: Path) -> dict[str, SiteReply]:
    study = create_study(folder, plan)
    run_study(study, virtual_sites(hospitals, study.plan))
    return study.log.read(RoundMade)[0].sites


def test_only_the_hospital_that_wishes_it_trains_longer_and_only_where_the_plan_lets_it(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    free = make_plan("free.yaml", federation={"rounds": 1}, training=RANGE)
    bound = make_plan("bound.yaml", federation={"rounds": 1})
    before = first_round(tmp_path / "before", free, hospitals)
    with (hospitals / "site-2" / "site.yaml").open("a") as file:
        file.write("compute: {epochs: 3}\n")

    after = first_round(tmp_path / "after", free, hospitals)
    kept = first_round(tmp_path / "kept", bound, hospitals)

    assert after["site-2"].n_steps == 3 * before["site-2"].n_steps
    assert after["site-2"].n_images == before["site-2"].n_images
    for name in ("site-1", "site-3"):
        assert after[name].n_steps == before[name].n_steps
        assert after[name].train_loss == before[name].train_loss
        assert after[name].norm == before[name].norm
    assert kept["site-2"].n_steps == before["site-2"].n_steps


def test_a_client_trains_with_the_epochs_of_its_site_file(hospitals: Path) -> None:
    site = hospitals / "site-1"
    with (site / "site.yaml").open("a") as file:
        file.write("compute: {epochs: 3}\n")

    assert open_site(site, load_site_file(site)).epochs == 3
