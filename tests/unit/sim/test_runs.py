"""medfl-sim ls, show, compare."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan
from typer.testing import CliRunner

from medfl_server.study.run_directory import create_study
from medfl_sim.cli import app
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.data.scenario import keep_scenario, partitioned
from medfl_sim.engine.simulation import run_study
from medfl_sim.runs.directories import (
    facts_of,
    find_runs,
    list_rows,
    settings_that_differ,
)
from medfl_sim.runs.page import answer, write_runs


@pytest.fixture
def runs(hospitals: Path, make_plan: MakePlan, tmp_path: Path) -> Path:
    """Two finished runs, one that was only made, and one that is damaged."""
    folder = tmp_path / "runs"
    for name, lr in (("a", 0.01), ("deep/b", 0.02)):
        study = create_study(folder / name, make_plan(training={"lr": lr}))
        scenario = partitioned("iid", 2 if name == "a" else 3)
        keep_scenario(study.folder, scenario)
        run_study(study, virtual_sites(hospitals, study.plan, scenario))
    create_study(folder / "new", make_plan())
    create_study(folder / "broken", make_plan())
    (folder / "broken" / "study.json").write_text("{")
    return folder


def test_the_list_has_every_run_with_its_state_and_stops_at_no_damage(runs: Path) -> None:
    rows = {row[0]: row for row in list_rows(runs)}

    assert {*rows} == {"a", "deep/b", "new", "broken"}
    assert rows["a"][3:6] == ["2", "3/3", "finished"]
    assert rows["deep/b"][3] == "3"
    assert rows["new"][4:7] == ["0/3", "created", "none shared"]
    assert rows["broken"][1] == "damaged"
    assert find_runs(runs / "nowhere") == []


def test_the_comparison_names_the_best_and_what_differs_and_nothing_else(
    runs: Path, tmp_path: Path
) -> None:
    facts = [facts_of(runs / name) for name in ("a", "deep/b")]

    assert settings_that_differ(facts) == [
        ["training.lr", "0.01", "0.02"], ["scenario.partition.sites", "2", "3"],
    ]  # fmt: skip
    best = max(facts, key=lambda one: one.scored.values["auc"] if one.scored else 0)
    assert best.scored is not None
    said = answer(facts)
    assert said.startswith(
        f"{best.study.folder} has the highest AUC over all hospitals, {best.scored.text('auc')}"
    )
    assert "different validation patients" in said
    write_runs(tmp_path / "page.html", facts)
    assert "training.lr" in (tmp_path / "page.html").read_text()
    assert answer([facts_of(runs / "new")]) == "None of these runs has an AUC over all hospitals."


def test_the_commands_speak_to_a_person(runs: Path, tmp_path: Path) -> None:
    def say(*words: str) -> str:
        return CliRunner().invoke(app, [*words]).output

    assert "deep/b" in say("ls", str(runs))
    assert "there is no run in" in say("ls", str(tmp_path / "nowhere"))
    assert "small_cnn, fedavg, seed 3; 2 hospitals, 3 of 3 rounds" in say("show", str(runs / "a"))
    said = say("compare", str(runs / "a"), str(runs / "deep/b"), "--out", str(tmp_path / "p.html"))
    assert "has the highest AUC" in said.replace("\n", " ")
    assert (tmp_path / "p.html").exists()
