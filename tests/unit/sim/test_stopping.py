"""A person ends a study: its best so far is the result, as if its rounds had been done."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import MakePlan
from tests.noisy import noisy
from tests.unit.sim.test_going_on import ends, go_on, made
from typer.testing import CliRunner

from medfl_client.config.folder import StateFolder
from medfl_common.errors import RunError
from medfl_common.run.decisions import Stopped
from medfl_common.run.events import Event, Finished, RoundMade
from medfl_common.run.folder import RunFolder
from medfl_server.cli import app
from medfl_server.doctor.study import check_pause
from medfl_server.reports.model_card import write_model_card
from medfl_server.reports.paper.facts import Facts
from medfl_server.reports.paper.hidden_names import with_names
from medfl_server.reports.paper.words.study import changes
from medfl_server.reports.report import write_report
from medfl_server.rounds import last_round
from medfl_server.rounds.paused import PausedError
from medfl_server.steering import course
from medfl_server.study.pause_wish import wish_pause
from medfl_server.study.plan_change import amend, extend
from medfl_server.study.run_directory import Study, create_study, open_study
from medfl_server.study.stop_wish import forget_stop, stop_in, wish_stop
from medfl_sim.local.deployment import run_here

REASON = "enough <b>\x1b]"
SAID = r"stopped by ada after round 2 of 4: enough &lt;b&gt;\x1b]"
PARTS = {"evaluation": {"test": 0.45}}


def in_round(round_: int, wish: Callable[[], object]) -> Callable[[str], None]:
    """Wish something in mid-round."""

    def announce(line: str) -> None:
        announce.made += line.startswith("round ")  # type: ignore[attr-defined]
        if line.startswith("site-1 answered") and announce.made == round_ - 1:  # type: ignore[attr-defined]
            wish()

    announce.made = 0  # type: ignore[attr-defined]
    return announce


def stopped(folder: Path, plan: Path, hospitals: Path) -> Study:
    """Make a study that `ada` ends in its second round."""
    study = create_study(folder, plan)
    return go_on(folder, hospitals, in_round(2, lambda: wish_stop(study.folder, REASON, "ada")))


def test_a_study_that_is_stopped_is_one_whose_plan_had_these_rounds_and_is_extended_as_any(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = stopped(tmp_path / "s", make_plan(federation={"rounds": 4}, **PARTS), hospitals)

    short = make_plan("short.yaml", federation={"rounds": 2}, **PARTS)
    whole = made(tmp_path / "whole", short, hospitals)
    assert ends(study) == ends(whole)
    assert [event.round for event in study.log.read(RoundMade)] == [1, 2]
    (event,) = study.log.read(Stopped)
    assert (event.round, event.facts["by"], event.reason) == (2, "ada", REASON)
    assert (study.folder / "model.safetensors").exists()
    assert not RunFolder(study.folder).stop.exists()
    assert f"The study was {SAID}." in write_report(study).read_text()
    card = write_model_card(study)
    assert card is not None
    assert SAID.replace("&lt;", "<").replace("&gt;", ">") in card.read_text()
    assert SAID in card.with_suffix(".html").read_text()
    events = with_names(study.log.read(Event), {})
    assert changes(Facts(study, study.plan, events, {})) == (
        "A person ended the study after round 2 of the plan's 4; report.html has the reason."
    )
    assert not [e for e in events if "ada" in str(e.facts) or "enough" in str(e.facts)]

    amend(study.folder, {"federation.rounds": 3})
    study = go_on(study.folder, hospitals)

    assert study.log.read(Stopped) == []
    assert len(study.log.lines("stopped_before")) == 1
    assert study.log.read(Finished)[-1].last == 3
    assert "stopped by" not in write_report(study).read_text()


@pytest.mark.parametrize(
    "sections",
    [
        {"privacy": {"secure_sum": {"most_images": 40}}, "evaluation": {"keep": "last"}},
        noisy(),
    ],
    ids=["secure sums", "noise"],
)
def test_a_study_with_secure_sums_or_noise_is_stopped_as_any(
    sections: dict[str, dict[str, object]], hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    for site in hospitals.glob("site-*"):  # under noise, from which follows who is trained on
        state = StateFolder(site / "state")
        state.path.mkdir(exist_ok=True)
        state.patients_key.write_text("02" * 32)

    study = stopped(tmp_path / "s", make_plan(federation={"rounds": 4}, **sections), hospitals)

    (event,) = study.log.read(Stopped)
    (end,) = study.log.read(Finished)
    assert (event.round, end.round, end.last) == (2, 2, 2)
    assert SAID in write_report(study).read_text()


@pytest.mark.parametrize("where", ["log", "file", "scoring"])
def test_a_stop_that_is_cut_off_is_done_once_when_the_coordinator_is_back(
    where: str, hospitals: Path, make_plan: MakePlan, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plan = make_plan(federation={"rounds": 4}, **PARTS)
    study = create_study(tmp_path / "s", plan)
    wish = in_round(2, lambda: wish_stop(study.folder, REASON, "ada"))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    def announce(line: str) -> None:
        wish(line)
        if where == "scoring" and line.startswith("stopped by"):
            die()

    with monkeypatch.context() as patched:
        if where == "log":
            patched.setattr(last_round.RetryingLog, "add", _unless_stopped(die))
        if where == "file":
            patched.setattr(last_round, "forget_stop", die)
        with pytest.raises(KeyboardInterrupt):
            go_on(study.folder, hospitals, announce)
    assert RunFolder(study.folder).stop.exists() == (where != "scoring")

    study = go_on(study.folder, hospitals)

    assert len(study.log.read(Stopped)) == len(study.log.read(Finished)) == 1
    assert [event.round for event in study.log.read(RoundMade)] == [1, 2]
    assert not RunFolder(study.folder).stop.exists()


def _unless_stopped(die: Callable[[], None]) -> Callable[..., None]:
    add = last_round.RetryingLog.add

    def add_or_die(log: last_round.RetryingLog, event: object) -> None:
        if isinstance(event, Stopped):
            die()
        add(log, event)  # type: ignore[arg-type]

    return add_or_die


def test_a_paused_study_that_is_stopped_makes_no_round_more_and_going_on_ends_the_wish(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "s", make_plan(federation={"rounds": 4}))
    with pytest.raises(RunError, match="no round is made yet, so there is no model"):
        wish_stop(study.folder, REASON)
    with pytest.raises(PausedError):
        go_on(study.folder, hospitals, in_round(1, lambda: wish_pause(study.folder, "", False)))
    with pytest.raises(RunError, match="has 501 characters"):
        wish_stop(study.folder, "x" * 501)

    said = course.stop(study.folder, REASON, "ada")

    assert (
        said[0] == f"no coordinator runs it; medfl-server resume {study.folder} has the model "
        "scored"
    )
    course.resume(study.folder)
    assert "as ada wished" in check_pause(study.folder).seen
    assert check_pause(study.folder).todo == f"medfl-server run {study.folder} scores its model"
    extend(study.folder, 1)
    assert stop_in(study.folder) is None
    wish_stop(study.folder, REASON, "ada")
    study = go_on(study.folder, hospitals)
    assert [event.round for event in study.log.read(RoundMade)] == [1]
    with pytest.raises(RunError, match="finished; there is nothing to stop"):
        wish_stop(study.folder, REASON)


def test_stop_asks_first_and_a_stop_in_the_last_round_changes_nothing(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "s", make_plan(federation={"rounds": 2}))

    def announce(line: str) -> None:
        if line.startswith("round 1"):
            done = CliRunner().invoke(app, ["stop", str(study.folder)], input="n\n")
            asked.append(" ".join(done.output.split()))
            assert (done.exit_code, stop_in(study.folder)) == (1, None)
        in_second(line)

    def stop() -> None:
        said.append(" ".join(run_here("server", "stop", study.folder, "--yes").split()))

    asked, said = list[str](), list[str]()
    in_second = in_round(2, stop)
    study = go_on(study.folder, hospitals, announce)

    assert "End small for good after 1 of 2 rounds" in asked[0]
    assert f"medfl-server extend {study.folder} --rounds N goes on afterwards" in said[0]
    assert study.log.read(Finished)[-1].last == 2
    assert study.log.read(Stopped) == []
    assert not forget_stop(study.folder)


def test_a_wish_to_stop_that_cannot_be_read_stops_by_somebody(tmp_path: Path) -> None:
    for text in ("{", '{"by": 1}', '{"by": "a", "time": "x", "reason": ""}'):
        RunFolder(tmp_path).stop.write_text(text)
        wish = stop_in(tmp_path)
        assert wish is not None
        assert (wish.by, wish.reason) == ("somebody", "no reason was given")


def test_open_study_reads_a_log_with_a_stop(
    hospitals: Path, make_plan: MakePlan, tmp_path: Path
) -> None:
    study = create_study(tmp_path / "s", make_plan())
    study.log.add(Stopped.by_person(1, "ada", REASON))

    assert open_study(study.folder).log.read(Stopped)[0].in_words(3) == (
        r"stopped by ada after round 1 of 3: enough <b>\x1b]"
    )
    assert "The last scoring is not done." in write_report(study).read_text()
