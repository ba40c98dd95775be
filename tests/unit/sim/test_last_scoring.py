"""The last scoring needs a quorum like a round: with all sites away the study waits for them."""

from functools import partial
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.run.events import Finished, Paused, RoundMade, ScoredOnTest
from medfl_server.rounds.app import build_app
from medfl_server.rounds.paused import PausedError
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.engines import ENGINES
from medfl_sim.engine.grid import SimulatedGrid, run_apps
from medfl_sim.engine.simulation import make_app, run_study


def test_with_all_sites_away_the_study_pauses_and_is_scored_once_when_they_are_back(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    federation = {"rounds": 2, "deadline_s": 1, "empty_rounds": 1}
    study = create_study(tmp_path / "s", make_plan(federation=federation))
    sites = virtual_sites(hospitals, study.plan)
    app = partial(make_app, sites, (), tmp_path / "not-sent")
    running = ENGINES.get("inprocess")(app, None, 2**26)
    grid = SimulatedGrid(running, [*sites])

    def connected():  # type: ignore[no-untyped-def]
        return {} if len(study.log.read(RoundMade)) == 2 else grid.connected_sites()

    try:
        server = build_app(
            study, lambda: dict.fromkeys(sites), connected, print, lambda progress: None, False
        )
        with pytest.raises(PausedError, match="nothing is lost"):
            run_apps(server, grid)
    finally:
        running.close()
    assert study.log.read(Paused)
    assert not study.log.read(Finished)

    run_study(study, sites)

    (finished,), (tested,) = study.log.read(Finished), study.log.read(ScoredOnTest)
    assert [*finished.sites] == [*tested.sites] == [*sites]
    assert len(study.log.read(RoundMade)) == 2
