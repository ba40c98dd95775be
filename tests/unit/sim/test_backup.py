import hashlib
import shutil
from pathlib import Path

import pytest
from tests.conftest import MakePlan

from medfl_common.files import locked
from medfl_common.run.events import Finished, RoundMade
from medfl_common.run.site_reply import SiteReply
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study


def final(study: Study) -> tuple[object, str]:
    """Give the digest in the log and that of the model's file."""
    (finished,) = study.log.lines("finished")
    model = (study.folder / "model.safetensors").read_bytes()
    return finished["sha256"], hashlib.sha256(model).hexdigest()


# When the copy is made: after a round, in the middle of one, before the last scoring.
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["round 1 of", "site-2 answered", "round 3 of"])
@pytest.mark.parametrize("norm_layers", ["shared", "local"])
def test_a_copy_of_a_run_directory_ends_with_the_same_bits_as_the_study_itself(
    moment: str, norm_layers: str, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "study", make_plan(model={"norm_layers": norm_layers}))
    sites = virtual_sites(hospitals, study.plan)
    copy = tmp_path / "copy"

    def back_up(line: str) -> None:
        if line.startswith(moment) and not copy.exists():
            shutil.copytree(study.folder, copy)  # as `cp -a` or a snapshot, while the study runs

    run_study(study, sites, back_up)
    expected = final(study)
    shutil.rmtree(study.folder)  # the machine is lost
    restored = open_study(copy)
    assert not restored.log.lines("finished")
    with locked(copy):  # the lock file that was copied holds nobody
        pass
    run_study(restored, sites)

    assert final(restored) == expected
    assert [event["round"] for event in restored.log.lines("round")] == [1, 2, 3]
    assert len(restored.log.lines("resumed")) == 1


def test_a_copy_whose_log_is_newer_than_its_counts_ends_with_the_same_bits(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study, copy = create_study(tmp_path / "study", make_plan()), tmp_path / "copy"
    sites = virtual_sites(hospitals, study.plan)

    def back_up(line: str) -> None:
        if line.startswith("round 2 of"):
            shutil.copytree(study.folder, copy)
            tallies = copy / "tallies.jsonl"  # was copied first, when round 1 was the newest
            tallies.write_bytes(tallies.read_bytes().splitlines(keepends=True)[0])

    run_study(study, sites, back_up)
    restored = open_study(copy)
    run_study(restored, sites)

    assert final(restored) == final(study)
    for kind in (RoundMade, Finished):
        again, first = restored.log.read(kind), study.log.read(kind)
        assert [list(map(told, one.sites.values())) for one in again] == [
            list(map(told, one.sites.values())) for one in first
        ]


def told(reply: SiteReply) -> object:
    """Give what does not differ from run to run."""
    return {k: v for k, v in reply.facts.items() if k in ("tally", "exact_auc", "n_scored", "norm")}
