"""Hospitals with a book: a coordinator that is put back by rounds asks nothing that is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_client.task.site import Site
from medfl_server.study.run_directory import create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study


class EndedError(Exception):
    """The coordinator is killed."""


def with_book(sites: dict[str, Site], folder: Path) -> dict[str, Site]:
    """Give virtual hospitals what real ones keep."""
    for name in sites:
        (folder / name).mkdir(parents=True, exist_ok=True)
    policy = {"approval": "none"}
    return {
        name: replace(s, state=folder / name, policy=s.policy.model_copy(update=policy))
        for name, s in sites.items()
    }


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_coordinator_put_back_by_two_rounds_is_refused_nothing_and_ends_with_the_same_bits(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan_file = make_plan(federation={"rounds": 4, "statistics": True})
    plain = create_study(tmp_path / "plain", plan_file)
    run_study(plain, virtual_sites(hospitals, plain.plan))
    study, copy = create_study(tmp_path / "run", plan_file), tmp_path / "copy"
    sites = with_book(virtual_sites(hospitals, study.plan), tmp_path / "state")

    def announce(line: str) -> None:
        if line.startswith("round 1 of"):
            shutil.copytree(study.folder, copy)
        if line.startswith("round 3 of"):
            raise EndedError

    with pytest.raises(EndedError):
        run_study(study, sites, announce)
    shutil.rmtree(study.folder)
    shutil.copytree(copy, study.folder)
    run_study(open_study(study.folder), sites)

    digests = [s.log.lines("finished")[0]["sha256"] for s in (plain, open_study(study.folder))]
    assert digests[0] == digests[1]
    for name in sites:
        lines = entries(tmp_path / "state" / name / "ledger.jsonl")
        assert {line["decision"] for line in lines} == {"released"}
        book = entries(tmp_path / "state" / name / "questions.jsonl")
        assert [line["round"] for line in book if line["kind"] == "train"] == [1, 2, 3, 4]
