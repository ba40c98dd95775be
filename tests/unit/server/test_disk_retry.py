"""A disk that is full, and a checkpoint that is damaged, cost nothing."""

from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.run.checkpoint import load_newest
from medfl_server.rounds import disk_retry
from medfl_server.study.run_directory import create_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study

LAST = "round-0003"


@pytest.fixture
def undisturbed(hospitals: Path, make_plan: MakePlan, tmp_path: Path) -> object:
    study = create_study(tmp_path / "undisturbed", make_plan())
    run_study(study, virtual_sites(hospitals, study.plan))
    return study.log.lines("finished")[0]["sha256"]


def test_the_coordinator_reports_a_full_disk_once_and_waits_for_space(
    undisturbed: object,
    hospitals: Path,
    make_plan: MakePlan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk_retry, "AGAIN_S", 0.05)
    study = create_study(tmp_path / "run", make_plan())
    partial = study.checkpoints / f"{LAST}.safetensors.partial"
    said: list[str] = []

    def announce(line: str) -> None:
        said.append(line)
        if line.startswith("round 2") or "cannot be written" in line:  # full at two tries
            partial.symlink_to("/dev/full")
            assert load_newest(study.checkpoints)[0].round == 2  # type: ignore[union-attr]

    run_study(study, virtual_sites(hospitals, study.plan), announce)

    told = [line for line in said if "cannot be written" in line]
    assert len(told) == 1
    assert "No space left on device" in told[0]
    assert "loses nothing: make room" in told[0]
    assert study.log.lines("finished")[0]["sha256"] == undisturbed


def test_a_checkpoint_damaged_after_its_round_was_logged_is_made_again_and_logged_once(
    undisturbed: object, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "run", make_plan())
    sites = virtual_sites(hospitals, study.plan)

    def stop(line: str) -> None:
        if line.startswith("round 3"):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run_study(study, sites, stop)
    newest = study.checkpoints / f"{LAST}.safetensors"
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    said: list[str] = []

    run_study(study, sites, said.append)

    assert f"checkpoint {LAST} is damaged" in said[0]
    assert [event["round"] for event in study.log.lines("round")] == [1, 2, 3]
    assert study.log.lines("finished")[0]["sha256"] == undisturbed
