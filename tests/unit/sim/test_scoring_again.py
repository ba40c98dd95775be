"""A finished study's models scored again: which model, where, and whose figures they are."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from safetensors.torch import load_file, save_file
from tests.conftest import PLAN
from tests.unit.sim.test_outside import with_policy

from medfl_client.task.site import Site
from medfl_common.errors import ConfigError
from medfl_common.run.checkpoint import digest, load_kept
from medfl_common.run.events import FileScored, Finished, ScoredOnTest, ScoredOutside, WithModel
from medfl_server.reports.model_card import write_model_card
from medfl_server.rounds.later_scoring import LaterScoring, model_to_score
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_server.superlink.transport import Post
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.engines import ENGINES
from medfl_sim.engine.grid import SimulatedGrid, run_apps
from medfl_sim.engine.simulation import make_app, run_study
from medfl_sim.runs.frame import lines_of


@pytest.fixture(scope="module")
def master(hospitals_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two hospitals and an outside one, with every round's model."""
    folder = tmp_path_factory.mktemp("finished")
    hospitals = Path(shutil.copytree(hospitals_master, folder / "hospitals"))
    with_policy(hospitals / "site-3", role="evaluate", min_cell=1)
    plan = folder / "plan.yaml"
    text = PLAN.replace("rounds: 3", "rounds: 3, keep_every: 1")
    plan.write_text(text.replace("validation: 0.25", "validation: 0.25, test: 0.45"))
    study = create_study(folder / "study", plan)
    run_study(study, virtual_sites(hospitals, study.plan))
    return folder


@pytest.fixture
def study(master: Path, tmp_path: Path) -> Study:
    return open_study(Path(shutil.copytree(master / "study", tmp_path / "study")))


@pytest.fixture(scope="module")
def sites(master: Path) -> Mapping[str, Site]:
    return virtual_sites(master / "hospitals", open_study(master / "study").plan)


def score(
    study: Study, sites: Mapping[str, Site], wish: str, chosen: list[str] | None = None
) -> list[WithModel]:
    make = partial(make_app, sites, (), study.folder / "not-sent.log")
    running = ENGINES.get("inprocess")(make, None, 2**26)
    grid, found, app = SimulatedGrid(running, [*sites]), list[WithModel](), ServerApp()

    @app.main()
    def main(over: Grid, context: Context) -> None:
        post = Post(
            over, grid.connected_sites, lambda: dict.fromkeys(sites), 60, outside=["site-3"]
        )
        model = model_to_score(study, wish)
        found.extend(LaterScoring(study, post, lambda line: None).run(model, chosen))

    try:
        run_apps(app, grid)
    finally:
        running.close()
    return found


def test_every_kept_round_can_be_scored(study: Study, sites: Mapping[str, Site]) -> None:
    for round_ in (1, 2):
        tested, _ = score(study, sites, str(round_))
        assert tested.sha256 == digest(load_kept(study.checkpoints, round_).weights)
        assert tested.round == round_

    with pytest.raises(ConfigError, match="there are those of 1, 2, 3"):
        model_to_score(study, "9")


def test_a_number_that_is_none_is_taken_for_a_file(study: Study) -> None:
    with pytest.raises(ConfigError, match="holds no weights"):
        model_to_score(study, "²")


def test_the_card_has_the_final_models_test_images_whatever_was_scored_later(
    study: Study, sites: Mapping[str, Site]
) -> None:
    def card() -> str:
        path = write_model_card(study)
        assert path is not None
        return path.read_text()

    before = card()

    score(study, sites, "1", ["site-1"])

    assert card() == before


def test_weights_of_a_file_are_of_no_round(
    study: Study, sites: Mapping[str, Site], tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.safetensors"
    model = load_file(study.folder / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in model.items()}, foreign)
    before = [*lines_of(study)]

    events = score(study, sites, str(foreign))

    assert [type(event) for event in events] == [FileScored, FileScored]
    assert len(study.log.read(FileScored)) == 2
    assert {event.sha256 for event in study.log.read(ScoredOutside)} == {
        study.log.read(Finished)[-1].sha256
    }
    assert [*lines_of(study)] == before


def test_a_hospital_that_lacks_the_final_model_scores_it_first(
    study: Study, sites: Mapping[str, Site]
) -> None:
    """It keeps the first model that it scores after the rounds."""
    (final,) = study.log.read(Finished)
    lines = study.log.path.read_text().splitlines(keepends=True)
    study.log.path.write_text("".join(x for x in lines if '"event": "scored_outside"' not in x))

    events = score(study, sites, "1")

    seen = [(event.sha256 == final.sha256, [*event.sites]) for event in events]
    assert seen == [(True, ["site-3"]), (False, ["site-1", "site-2"]), (False, ["site-3"])]
    assert len(study.log.read(ScoredOnTest)) == 2
