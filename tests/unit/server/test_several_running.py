"""One of several studies in a coordinator's process: it rests, goes on, fails and ends alone."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flwr.serverapp import ServerApp
from tests.conftest import MakePlan
from tests.unit.client.test_approvals import Said
from tests.unit.several_studies import Coordinator
from typer.testing import CliRunner

from medfl_common.files import holder, locked
from medfl_server.cli import app
from medfl_server.commands import one_of_several, several
from medfl_server.commands.one_of_several import Running
from medfl_server.rounds.paused import PausedError
from medfl_server.study.made_meanwhile import MadeMeanwhile
from medfl_server.study.pause_wish import wish_pause
from medfl_server.study.run_directory import open_study, write_facts


class Link:
    """Runs what it is told to in place of the round loop, which other tests have."""

    def __init__(self, *loops: Callable[[], None]) -> None:
        self.loops = [*loops]
        self.n_runs = 0

    def run_app(self, app: ServerApp) -> None:
        self.n_runs += 1
        self.loops.pop(0)()


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path, make_plan: MakePlan) -> Iterator[Path]:
    folder = Coordinator(tmp_path / "coordinator", make_plan).folder
    with locked(folder):
        yield folder / "lungs"


def running(folder: Path, link: Link) -> tuple[Running, list[str]]:
    one, said = Running(open_study(folder)), Said()
    one.screen.say = said.say  # type: ignore[method-assign]
    one.start(link, [])  # type: ignore[arg-type]
    return one, said.lines


def paused_by_a_person() -> PausedError:
    paused = PausedError("after round 1: paused")
    paused.message = "back on Monday"
    return paused


def test_a_study_that_a_person_pauses_rests_alone_and_can_be_changed(folder: Path) -> None:
    refused: list[str] = []

    def pause() -> None:
        done = CliRunner().invoke(app, ["extend", str(folder), "--rounds", "1"])
        refused.append(" ".join(done.output.split()))
        wish_pause(folder, "back on Monday", is_now=True)
        raise paused_by_a_person()

    one, said = running(folder, Link(pause))
    one.join(60)

    assert "in use by process" in refused[0]
    assert "medfl-server pause" in refused[0]
    assert "the other studies go on" in said[0]
    assert (one.is_running(), one.rests, one.may_go_on(), one.is_done) == (
        False,
        True,
        False,
        False,
    )
    for words in (["amend", folder, "--set", "training.lr=0.001"], ["resume", folder]):
        done = CliRunner().invoke(app, [*map(str, words)])
        assert done.exit_code == 0, done.output
    assert "the coordinator that runs goes on with it" in " ".join(done.output.split())
    assert one.may_go_on()


def test_a_study_with_an_authority_of_its_own_is_resumed_by_the_coordinator_above(
    folder: Path,
) -> None:
    for name in ("server.crt", "server.key"):  # as where `init --like` took the study in
        shutil.copy(folder.parent / "tls" / name, folder / "tls" / name)
    wish_pause(folder, "", is_now=False)

    done = CliRunner().invoke(app, ["resume", str(folder)])

    assert done.exit_code == 0, done.output
    assert "the coordinator that runs goes on with it" in " ".join(done.output.split())


def test_the_fault_of_one_study_is_said_and_kept_to_it(folder: Path) -> None:
    def fault() -> None:
        raise ValueError("unforeseen")

    one, said = running(folder, Link(fault))
    one.join(60)

    assert (one.is_done, one.makes_rounds) == (False, False)
    assert "ValueError: unforeseen" in said[-1]


def test_a_study_without_enough_hospitals_does_not_begin_and_says_why(folder: Path) -> None:
    one, said = Running(open_study(folder)), Said()
    one.screen.say = said.say  # type: ignore[method-assign]

    assert not one.is_ready(8443)

    assert "medfl:" in said.text


def test_who_stops_the_coordinator_ends_a_loop_once_and_lets_it_say_goodbye(folder: Path) -> None:
    present: list[object] = []

    def loop() -> None:
        try:
            while True:
                one.connected_sites()
                time.sleep(0.01)
        except KeyboardInterrupt:
            present.append(one.connected_sites())
            raise

    one = Running(open_study(folder))
    one.start(Link(loop), [])  # type: ignore[arg-type]

    one.stop()

    one.join(60)
    assert present == [{}]


def test_the_last_word_waits_for_hospitals_that_another_study_keeps_busy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(
        one_of_several, "report_study", lambda study, screen: reported.append(study.plan.study)
    )
    one, other = Running(open_study(folder)), Running(open_study(folder.parent / "hearts"))
    other.makes_rounds = True

    assert one.may_wait([one, other])
    assert (one.is_done, one.makes_rounds) == (True, False)
    one.leave()  # it was extended
    assert not one.may_wait([one, other])
    other.makes_rounds = False
    assert other.may_wait([one]) is False
    assert reported == ["lungs", "hearts"]  # at once, not when the others have ended


def test_a_finished_study_that_still_says_goodbye_can_be_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_of_several, "report_study", lambda study, screen: None)
    one = Running(open_study(folder))
    said: list[bool] = []
    ends = threading.Event()

    def finish() -> None:
        said.append(bool(holder(folder)))
        one.may_wait([])
        said.append(bool(holder(folder)))
        ends.wait(60)

    one.start(Link(finish), [])  # type: ignore[arg-type]
    until(lambda: len(said) == 2)
    with locked(folder):
        assert one.is_running()
    ends.set()
    one.join(60)
    assert said == [True, False]


def test_a_study_is_seen_once_when_its_directory_is_whole_or_was_changed(folder: Path) -> None:
    seen = MadeMeanwhile(folder.parent)
    assert (seen(), seen()) == ([], [])
    shutil.copytree(folder, folder.parent / "kidneys")

    assert seen() == []  # somebody may still write there
    assert seen() == [folder.parent / "kidneys"]
    assert seen() == []
    write_facts(folder, "ab" * 16, open_study(folder).plan)
    assert (seen(), seen(), seen()) == ([], [folder], [])
    shutil.rmtree(folder)
    assert (seen(), seen()) == ([], [])


def test_a_branch_waits_no_longer_for_who_has_not_heard_that_its_parent_is_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_of_several, "report_study", lambda study, screen: None)
    one, other = Running(open_study(folder)), Running(open_study(folder.parent / "hearts"))
    other.makes_rounds = True
    at_port = several._Coordinator.__new__(several._Coordinator)
    at_port._studies = {folder: one}

    def say_goodbye() -> None:
        while one.may_wait([other]):
            time.sleep(0.01)

    one.start(Link(say_goodbye), [])  # type: ignore[arg-type]
    until(lambda: one.is_done)
    branched = open_study(Path(shutil.copytree(folder, folder.parent / "branch")))

    assert not at_port._ends_goodbyes_of(other.study)
    assert at_port._ends_goodbyes_of(branched)

    one.join(60)
    assert not at_port._ends_goodbyes_of(branched)
