"""A study goes on: longer, changed, paused; the bits are those of a plan that said so at once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.conftest import PLAN, MakePlan

from medfl_common.errors import ConfigError, RunError
from medfl_common.files import write_atomic
from medfl_common.plan.plan import load_plan
from medfl_common.run import log
from medfl_common.run.checkpoint import kept_rounds, load_kept
from medfl_common.run.decisions import PlanChanged, TakenBack
from medfl_common.run.events import Finished
from medfl_common.run.folder import RunFolder
from medfl_common.run.model_file import load_model
from medfl_server.doctor.study import check_pause
from medfl_server.export.model import write_round
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.report import write_report
from medfl_server.rounds.paused import PausedError
from medfl_server.study import plan_change, run_directory
from medfl_server.study.branch import branch
from medfl_server.study.going_back import cost_of, go_back
from medfl_server.study.pause_wish import refuse_while_paused, wish_pause
from medfl_server.study.plan_change import amend, extend, schedule_notes
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_sim.data.hospitals import virtual_sites
from medfl_sim.engine.simulation import run_study, silent
from medfl_sim.local.deployment import run_here

SLOW = pytest.mark.slow


def made(folder: Path, plan: Path, hospitals: Path) -> Study:
    return go_on(create_study(folder, plan).folder, hospitals)


def go_on(folder: Path, hospitals: Path, announce: Callable[[str], None] = silent) -> Study:
    study = open_study(folder)
    run_study(study, virtual_sites(hospitals, study.plan), announce)
    return study


def made_at(folder: Path, hospitals_master: Path, federation: str) -> Path:
    """Make a study of the test plan to its end, on a copy of the hospitals."""
    plan = folder / "plan.yaml"
    plan.write_text(PLAN.replace("rounds: 3", federation))
    hospitals = Path(shutil.copytree(hospitals_master, folder / "hospitals"))
    return made(folder / "s", plan, hospitals).folder


@pytest.fixture(scope="module")
def finished(hospitals_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one round, whose model is kept."""
    folder = tmp_path_factory.mktemp("finished")
    return made_at(folder, hospitals_master, "rounds: 1, keep_every: 1")


def ends(study: Study) -> dict[str, object]:
    (line,) = study.log.lines("finished")
    return {key: line[key] for key in ("sha256", "round", "best", "last", "choice")}


def local(study: Study) -> list[bytes]:
    return [path.read_bytes() for path in sorted(study.files.local.rglob("*.safetensors"))]


@pytest.mark.parametrize(
    "strategy",
    ["fedavg", *(pytest.param(s, marks=SLOW) for s in ("fedyogi", "scaffold", "fedper", "ditto"))],
)
def test_an_extended_study_is_one_with_the_rounds_from_the_start_to_the_bit(
    strategy: str, hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    federation = {"strategy": strategy, "min_sites": 2, "sites_per_round": 2}
    short = make_plan(federation={**federation, "rounds": 2})
    extended = made(tmp_path / "extended", short, hospitals)
    first = ends(extended)

    changed = extend(extended.folder, 2)

    assert changed.changes == [("federation.rounds", "2", "4")]
    extended = go_on(extended.folder, hospitals)
    long = make_plan("long.yaml", federation={**federation, "rounds": 4})
    whole = made(tmp_path / "whole", long, hospitals)
    assert ends(extended) == ends(whole) != first
    assert extended.plan.hash() == whole.plan.hash() == load_plan(long).hash()
    assert local(extended) == local(whole)
    assert [event["round"] for event in extended.log.lines("round")] == [1, 2, 3, 4]
    assert len(extended.log.lines("finished_before")) == 1
    assert load_plan(extended.files.former_plan(1)).hash() == load_plan(short).hash()
    assert write_report(extended).exists()
    assert write_model_card(extended) is not None


def test_a_plan_changes_from_the_next_round_on_and_the_log_says_who_did_what(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = made(tmp_path / "s", make_plan(federation={"rounds": 1}), hospitals)
    before = study.plan

    extend(study.folder, 1)
    changed = amend(study.folder, {"training.lr": 0.001, "federation.deadline_s": 90})

    (first, second) = study.log.read(PlanChanged)
    assert (first.round, first.facts["before"]) == (1, before.hash())
    assert second.changes == [("training.lr", "0.01", "0.001"),
                              ("federation.deadline_s", "60.0", "90.0")]  # fmt: skip
    assert schedule_notes(changed) == [
        "round 2 trains with learning rate 0.001; the plan before gave it 0.01"
    ]
    assert study.log.read(Finished) == []
    study = go_on(study.folder, hospitals)
    assert study.plan.training.lr == 0.001
    assert study.log.read(Finished)[-1].last == 2


@pytest.mark.parametrize("n_written", range(5))
def test_a_change_that_is_cut_off_leaves_a_study_that_opens_and_can_be_changed_again(
    n_written: int, finished: Path, hospitals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "s"))
    left = iter(range(n_written))

    def write_or_die(path: Path, data: bytes) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write_atomic(path, data)

    for module in (plan_change, run_directory, log):
        monkeypatch.setattr(module, "write_atomic", write_or_die)
    with pytest.raises(KeyboardInterrupt):
        extend(folder, 1)
    monkeypatch.undo()

    study = open_study(folder)
    assert study.plan.federation.rounds == (2 if n_written == 4 else 1)
    if n_written < 4:
        extend(folder, 1)
    assert go_on(folder, hospitals).log.read(Finished)[-1].last == 2


def test_what_belongs_to_a_study_does_not_change_and_nothing_follows_an_end(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = made(tmp_path / "s", make_plan(federation={"rounds": 1}), hospitals)
    text = study.files.plan_file.read_text()

    for key in ("seed", "model.name", "task.type", "images.size", "evaluation.split_of",
                "evaluation.test", "federation.messages.update", "training.lrs"):  # fmt: skip
        with pytest.raises(ConfigError, match="cannot change within a study"):
            amend(study.folder, {key: 1})
    with pytest.raises(ConfigError, match=r"training\.lr: -1"):
        amend(study.folder, {"training.lr": -1})
    with pytest.raises(RunError, match="extend adds rounds"):
        amend(study.folder, {"training.lr": 0.001})
    with pytest.raises(RunError, match="says so already"):
        amend(study.folder, {"federation.rounds": 1})

    assert study.files.plan_file.read_text() == text
    assert len(study.log.read(Finished)) == 1


def test_a_cosine_schedule_says_what_an_extension_changes(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 2}, training={"schedule": {"kind": "cosine"}})
    study = made(tmp_path / "s", plan, hospitals)

    notes = schedule_notes(extend(study.folder, 2))

    assert notes[0] == "round 3 trains with learning rate 0.005; the plan before gave it 0"
    assert "rounds 1 to 2 followed the old one" in notes[1]


def test_a_pause_is_heeded_at_the_rounds_end_and_named_until_resume(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "s", make_plan(federation={"keep_every": 2}))

    def announce(line: str) -> None:
        if line.startswith("site-1 answered"):  # in mid-round
            wish_pause(study.folder, "a new \x1b]scanner\udcff", is_now=False)

    with pytest.raises(PausedError, match=r'paused by .*: "a new \\x1b\]scanner\?"') as rest:
        go_on(study.folder, hospitals, announce)
    assert rest.value.status == 3  # with which systemd does not start it again

    (line,) = study.log.lines("paused")
    assert (line["round"], line["message"]) == (1, "a new \x1b]scanner?")
    with pytest.raises(RunError, match="medfl-server resume") as refused:
        refuse_while_paused(study.folder)
    assert refused.value.status == 3
    assert check_pause(study.folder).state == "warn"
    run_here("server", "resume", study.folder, "--no-run")
    assert check_pause(study.folder).state == "ok"
    refuse_while_paused(study.folder)
    assert go_on(study.folder, hospitals).log.read(Finished)[-1].last == 3
    assert kept_rounds(study.checkpoints) == [2]


def members(study: Study, hospitals: Path, site: str) -> dict[str, set[str]]:
    data = virtual_sites(hospitals, study.plan)[site].data(study.plan)
    assert data.members is not None
    return {part: set(patients) for part, patients in data.members().items()}


def test_a_branch_starts_from_the_final_model_and_nobody_who_tested_is_trained_on(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    sections = {"evaluation": {"test": 0.45, "keep": "last"}}
    federation = {"rounds": 1, "strategy": "fedyogi"}
    parent = made(tmp_path / "parent", make_plan(federation=federation, **sections), hospitals)
    text = (tmp_path / "plan.yaml").read_text().replace("study: small", "study: next # mine")
    plan = tmp_path / "next.yaml"

    plan.write_text(text.replace("seed: 3", "seed: 4"))
    branched = branch(parent.folder, tmp_path / "b", plan)
    child = go_on(branched.study.folder, hospitals)
    grandchild = tmp_path / "third.yaml"
    grandchild.write_text(text.replace("study: next", "study: third"))
    third = branch(child.folder, tmp_path / "c", grandchild).study

    assert child.log.lines("started")[0]["sha256"] == ends(parent)["sha256"]
    assert branched.notes == ["what fedyogi keeps at the coordinator goes along"]
    assert "# mine" in child.files.plan_file.read_text()
    was = members(parent, hospitals, "site-1")
    assert len(was["test"]) >= 10
    assert members(child, hospitals, "site-1") == members(third, hospitals, "site-1") == was


@pytest.mark.parametrize(
    ("section", "match"),
    [
        ({"evaluation": {"split_of": "another"}}, "patients who tested would train"),
        ({"evaluation": {"split_seed": 9}}, "patients who tested would train"),
        ({"model": {"weights": "imagenet", "name": "resnet18"}}, r"model\.weights: the branch"),
        ({"model": {"name": "densenet121"}, "images": {"size": 32}}, "do not fit densenet121"),
    ],
)
def test_a_branch_with_another_split_or_start_is_refused_and_leaves_nothing(
    section: dict[str, dict[str, object]], match: str, finished: Path, make_plan: MakePlan,
    tmp_path: Path,
) -> None:  # fmt: skip
    plan = make_plan("other.yaml", **section)
    plan.write_text(plan.read_text().replace("study: small", "study: next"))

    with pytest.raises(ConfigError, match=match):
        branch(finished, tmp_path / "b", plan)

    assert not (tmp_path / "b").exists()
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_without_a_hospital_a_study_is_as_if_it_had_never_been_there(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    plan = make_plan(federation={"rounds": 2, "keep_every": 1})
    third = tmp_path / "site-3"
    (hospitals / "site-3").rename(third)
    study = made(tmp_path / "s", plan, hospitals)
    extend(study.folder, 2)
    third.rename(hospitals / "site-3")
    study = go_on(study.folder, hospitals)
    (hospitals / "site-3").rename(third)

    cost = cost_of(study, "site-3")
    again = go_on(go_back(study.folder, "site-3").folder, hospitals)

    assert cost.in_words[0] == (
        "2 rounds are made again; the models of rounds 3 to 4 hold site-3's updates"
    )
    assert cost_of(study, "site-1").to == 0
    whole = made(tmp_path / "w", make_plan("w.yaml", federation={"rounds": 4}), hospitals)
    assert ends(again)["sha256"] == ends(whole)["sha256"]
    assert again.run != study.run
    (event,) = again.log.read(TakenBack)
    assert (event.round, event.site, event.facts["n_rounds"]) == (2, "site-3", 2)
    assert all("site-3" not in line["sites"] for line in again.log.lines("round"))  # type: ignore[operator]
    with pytest.raises(RunError, match="no round holds an update of site-3"):
        go_back(again.folder, "site-3")


def test_a_kept_round_is_exported_and_a_lost_one_is_named(finished: Path, tmp_path: Path) -> None:
    write_round(finished, 1, tmp_path / "one")
    _, model, _ = load_model(tmp_path / "one")

    kept = load_kept(RunFolder(finished).checkpoints, 1).weights
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in kept.items())
    with pytest.raises(ConfigError, match=r"round 9 are not kept; there are those of .*1"):
        write_round(finished, 9, tmp_path / "nine")
