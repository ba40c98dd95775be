"""What goes on from a finished study where somebody is unlucky, or wants something else of it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.conftest import MakePlan
from tests.unit.sim.test_going_on import made_at

from medfl_common.errors import RunError
from medfl_common.run.decisions import TakenBack
from medfl_common.run.folder import RunFolder
from medfl_server.study.branch import branch
from medfl_server.study.going_back import go_back
from medfl_server.study.pause_wish import refuse_while_paused


@pytest.fixture(scope="module")
def finished(hospitals_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_at(tmp_path_factory.mktemp("finished"), hospitals_master, "rounds: 1")


def test_a_branch_with_other_classes_begins_its_last_layer_anew(
    finished: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    text = make_plan().read_text().replace("study: small", "study: next")
    text = text.replace("seed: 3", "seed: 4")
    plan = tmp_path / "next.yaml"
    plan.write_text(text.replace("- normal\n  - opacity", "- opacity\n  - normal"))

    branched = branch(finished, tmp_path / "b", plan)

    assert branched.notes == ["the last layer begins anew: small told other classes apart"]
    start = load_file(branched.study.files.initial_weights)
    was = load_file(finished / "model.safetensors")
    alike = {name for name, tensor in was.items() if torch.equal(start[name], tensor)}
    assert "head.1.weight" in was.keys() - alike
    assert {name for name in was if name.startswith("backbone.")} <= alike


def test_a_branch_into_a_directory_that_holds_something_is_refused(
    finished: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan()
    plan.write_text(plan.read_text().replace("study: small", "study: next"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").touch()

    with pytest.raises(RunError, match="b is there, and not empty"):
        branch(finished, tmp_path / "b", plan)


def test_going_back_can_be_repeated_after_it_was_cut_off_while_it_wrote(
    finished: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "s"))
    write_roster(folder)
    (RunFolder(folder).checkpoints / "round-0000.safetensors.partial").write_bytes(b"half")

    again = go_back(folder, "site-1")

    assert [event.round for event in again.log.read(TakenBack)] == [0]


def write_roster(folder: Path) -> None:
    sites = {f"site-{i}": {"transport": f"t{i}", "signing": f"s{i}"} for i in (1, 2, 3)}
    RunFolder(folder).roster.write_text(json.dumps(sites))


@pytest.mark.parametrize(
    "text", ["[]", '{"by": 1}', '{"by": "a", "time": "x", "message": "m", "is_now": 0}']
)
def test_a_pause_whose_file_is_damaged_is_still_a_pause(text: str, tmp_path: Path) -> None:
    RunFolder(tmp_path).pause.write_text(text)

    with pytest.raises(RunError, match="paused by somebody"):
        refuse_while_paused(tmp_path)
